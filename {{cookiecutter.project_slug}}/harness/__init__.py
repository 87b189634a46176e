# Owned by fivetran-azfn-template: updates replace this file.
"""A local Fivetran: it judges any function that speaks the protocol, and knows nothing else of it.

It reaches the function through its HTTP contract alone and never imports the project's runtime.
"""
