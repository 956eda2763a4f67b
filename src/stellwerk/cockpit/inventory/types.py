"""Object types of the inventory (cockpit-services 1.1). The number is what the database holds."""

from __future__ import annotations

from enum import IntEnum

from stellwerk.cockpit.api.errors import BadRequest

#: Of the JSON of inventory objects; written into every stored workflow (cockpit-services 1.2).
INVENTORY_VERSION = "1.8.0"


class ObjectType(IntEnum):
    FOLDER = 0
    WORKFLOW = 1
    JOBCLASS = 2
    LOCK = 4
    SCHEDULE = 7
    JOBTEMPLATE = 8
    FILEORDERSOURCE = 9
    JOBRESOURCE = 10
    NOTICEBOARD = 11
    INCLUDESCRIPT = 12
    DEPLOYMENTDESCRIPTOR = 13
    DESCRIPTORFOLDER = 14
    REPORT = 15
    WORKINGDAYSCALENDAR = 60
    NONWORKINGDAYSCALENDAR = 61

    @classmethod
    def of(cls, text: str) -> ObjectType:
        """Raises `BadRequest` for a name that is no type; `CALENDAR` stands for working days."""
        try:
            return cls["WORKINGDAYSCALENDAR" if text == "CALENDAR" else text]
        except KeyError:
            raise BadRequest(f"unknown objectType '{text}'; known: {', '.join(cls.__members__)}") from None

    @property
    def is_deployable(self) -> bool:
        return self in DEPLOYABLE

    @property
    def is_releasable(self) -> bool:
        return self in RELEASABLE


DEPLOYABLE = frozenset(
    {ObjectType.FILEORDERSOURCE, ObjectType.LOCK, ObjectType.WORKFLOW, ObjectType.JOBRESOURCE, ObjectType.NOTICEBOARD}
)
RELEASABLE = frozenset(
    {
        ObjectType.SCHEDULE,
        ObjectType.INCLUDESCRIPT,
        ObjectType.WORKINGDAYSCALENDAR,
        ObjectType.NONWORKINGDAYSCALENDAR,
        ObjectType.JOBTEMPLATE,
        ObjectType.REPORT,
    }
)

#: What is referred to comes before what refers to it (cockpit-services 1.5, 1.10).
IMPORT_ORDER: tuple[ObjectType, ...] = (
    ObjectType.FOLDER,
    ObjectType.DESCRIPTORFOLDER,
    ObjectType.DEPLOYMENTDESCRIPTOR,
    ObjectType.REPORT,
    ObjectType.JOBCLASS,
    ObjectType.LOCK,
    ObjectType.NOTICEBOARD,
    ObjectType.JOBRESOURCE,
    ObjectType.INCLUDESCRIPT,
    ObjectType.NONWORKINGDAYSCALENDAR,
    ObjectType.WORKINGDAYSCALENDAR,
    ObjectType.JOBTEMPLATE,
    ObjectType.WORKFLOW,
    ObjectType.FILEORDERSOURCE,
    ObjectType.SCHEDULE,
)

#: Member of a folder listing → the types in it (cockpit-api 8, ResponseFolder_Common).
FOLDER_MEMBERS: dict[str, tuple[ObjectType, ...]] = {
    "workflows": (ObjectType.WORKFLOW,),
    "jobTemplates": (ObjectType.JOBTEMPLATE,),
    "jobResources": (ObjectType.JOBRESOURCE,),
    "locks": (ObjectType.LOCK,),
    "noticeBoards": (ObjectType.NOTICEBOARD,),
    "fileOrderSources": (ObjectType.FILEORDERSOURCE,),
    "schedules": (ObjectType.SCHEDULE,),
    "includeScripts": (ObjectType.INCLUDESCRIPT,),
    "calendars": (ObjectType.WORKINGDAYSCALENDAR, ObjectType.NONWORKINGDAYSCALENDAR),
    "reports": (ObjectType.REPORT,),
    "jobClasses": (ObjectType.JOBCLASS,),
    "deploymentDescriptors": (ObjectType.DEPLOYMENTDESCRIPTOR,),
}

#: Both kinds of calendars.
CALENDARS = (ObjectType.WORKINGDAYSCALENDAR, ObjectType.NONWORKINGDAYSCALENDAR)


def name_space(type_: ObjectType) -> tuple[ObjectType, ...]:
    """The types that share one name space: both kinds of calendars do."""
    return CALENDARS if type_ in CALENDARS else (type_,)
