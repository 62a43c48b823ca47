from audit.templates import Templates


def draw(templates: Templates) -> str:
    return ""
