"""What templates cost: quantities read from them, times a dated table of prices, as items.

Apart: what is paid for as long as it exists (always on), what is paid by use, what one run of a workflow
takes. Works on anybody's templates, as far as it knows the types; what it does not know it names.
"""
