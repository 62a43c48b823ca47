"""Who may do what: every call is authorised against the deployed policies, and recorded."""
