"""Pure: in which order the operations of a bulk request are done."""

from collections.abc import Iterator, Sequence

from scim.bulk.operations import BulkOperation
from scim.bulk.references import references


def circles(operations: Sequence[BulkOperation]) -> Iterator[list[int]]:
    """Yield the indexes of the operations so that each comes after those it refers to; a circle comes as one.

    Tarjan's strongly connected components, without recursion: a chain may be as long as the request.
    """
    creators = {each.bulk_id: index for index, each in enumerate(operations) if each.creates}
    needs = [[creators[name] for name in references(each) if name in creators] for each in operations]
    number: dict[int, int] = {}
    lowest: dict[int, int] = {}
    waiting: list[int] = []
    done: set[int] = set()
    for root in range(len(operations)):
        walk = [] if root in number else [(root, iter(needs[root]))]
        while walk:
            index, rest = walk[-1]
            if index not in number:
                number[index] = lowest[index] = len(number)
                waiting.append(index)
            for needed in rest:
                if needed not in number:
                    walk.append((needed, iter(needs[needed])))
                    break
                if needed not in done:
                    lowest[index] = min(lowest[index], number[needed])
            else:
                walk.pop()
                if walk:
                    above = walk[-1][0]
                    lowest[above] = min(lowest[above], lowest[index])
                if lowest[index] == number[index]:
                    circle = waiting[waiting.index(index) :]
                    del waiting[-len(circle) :]
                    done.update(circle)
                    yield sorted(circle)
