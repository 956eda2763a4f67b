"""An active/passive pair of nodes over one journal, and who arbitrates between them (cluster spec 1).

Controllers and Agent Directors use the same code. The state itself and its transition table are `engine.cluster`.
"""
