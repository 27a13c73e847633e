"""What can be wrong with the repository's files, one check a module.

A check is a function from the root of a checkout to the complaints about it, each one
line that begins with the file it is about.
"""
