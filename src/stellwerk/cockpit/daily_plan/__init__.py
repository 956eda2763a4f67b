"""The daily plan as a service: schedules become orders of days, in database and Controllers (cockpit-services 4).

What starts when is worked out in `stellwerk.language.daily_plan`; here it is kept, sent and changed. `generation` fills
days, `submission` sends orders so that each arrives once, `changes` is what people do with planned orders, `service`
the daily run on the active member.
"""
