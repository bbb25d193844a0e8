"""A store that dies, as a process does."""

from lift_sys.durability.opening import KeepsRuns
from lift_sys.errors import StoreError


class Mortal(KeepsRuns):
    """A store as a process has it that dies after some writes: no later one reaches the store.

    The last write reaches it, but it may be that nobody hears of it.
    """

    def __init__(self, store, lives, *, heard):
        self.store, self.lives, self.heard = store, lives, heard

    async def _write(self, name, *given, **options):
        if self.lives == 0:
            raise StoreError(store="the store", reason="the process is dead")
        self.lives -= 1
        result = await getattr(self.store, name)(*given, **options)
        if self.lives == 0 and not self.heard:
            raise StoreError(store="the store", reason="the process is dead")
        return result

    async def create(self, *given):
        return await self._write("create", *given)

    async def take_over(self, *given):
        return await self._write("take_over", *given)

    async def commit(self, *given):
        return await self._write("commit", *given)

    async def finish(self, *given, **options):
        return await self._write("finish", *given, **options)

    def mark(self, *given):
        if self.lives:
            self.store.mark(*given)

    async def load(self, name):
        return await self.store.load(name)
