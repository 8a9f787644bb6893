"""Old names, until every caller has moved."""

from typing import TYPE_CHECKING

from modelmark.feeds.pictures import FULL_SCALE, UNIT, PictureFeed

if TYPE_CHECKING:
    from modelmark.feeds.base import Feed as Interface
else:
    Interface = PictureFeed

__all__ = ["FULL_SCALE", "UNIT", "Interface"]
