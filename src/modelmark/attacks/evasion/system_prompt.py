"""A fixed beginning before everything that is asked."""

from collections.abc import Callable
from typing import Annotated

import torch
from torch import Tensor

from modelmark.attacks._tools.tokens import lengths
from modelmark.attacks.base import Thief, TokenFilter
from modelmark.attacks.fields import Count, sweep
from modelmark.feeds.causal import END


class SystemPrompt(TokenFilter):
    """Put the same tokens before each row, as every host of a language model does; here, the beginning of a row of the thief's.

    Where both do not fit into the context, the beginning of what was asked goes.

    Source: Xu et al. 2024, arXiv 2401.12255; fingerprints asked behind the system prompts of chats.
    """

    strengths = sweep(tokens=(2, 4, 8, 16, 32))

    tokens: Annotated[Count, "put before; at most half of the context"] = 8

    def change(self, thief: Thief) -> Callable[[Tensor], Tensor]:
        """Return what puts the prompt before rows."""
        context = thief.task.feed.input_shape[0]
        inputs = thief.task.train_inputs
        longest = inputs[lengths(inputs).argmax()]
        before = longest[: min(self.tokens, context // 2, int(lengths(longest[None])))]

        def longer(rows: Tensor) -> Tensor:
            room, own = context - len(before), lengths(rows)
            dropped = (own - room).clamp(min=0)
            places = torch.arange(room, device=rows.device) + dropped[:, None]
            wide = torch.cat([rows, rows.new_full((len(rows), context), END)], dim=1)
            moved = wide.gather(1, places)
            first = before.to(rows).expand(len(rows), -1)
            joined = torch.cat([first, moved], dim=1)
            return joined if thief.task.feed.kind == "causal" else joined.clamp(min=0)

        return longer
