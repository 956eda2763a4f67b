"""What the Cockpit adds to calendars; their rules are `stellwerk.language.calendars`."""
