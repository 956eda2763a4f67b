"""The command `stellwerk`: one wheel, one command for every role.

Commands say the same nouns and verbs as API and UI. Modules with heavy imports are loaded by the command that needs
them, so that `stellwerk --help` is quick and a component imports only itself.
"""
