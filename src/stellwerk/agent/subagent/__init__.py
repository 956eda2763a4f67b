"""The Subagent's hands: it starts, watches and kills the processes of jobs (workflow spec 4, journal spec 7).

Knows nothing of orders' workflows or journals: a launch goes in, output chunks and one outcome come out.
"""
