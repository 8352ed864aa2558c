"""An address where a KPIggybank answers, dies, and comes back."""

import threading
from dataclasses import replace

from fake_server import switches, wsapi
from fake_server.connection import Listener
from fake_server.faults import Faults
from fake_server.holdings import Holdings
from fake_server.messages import Answer, HangUp, Request
from fake_server.store import BackendDied
from fake_server.traffic import Traffic


class Server:
    """Holdings behind a socket. The port stays taken while nobody listens on it."""

    def __init__(self, holdings: Holdings, faults: Faults, *, host: str, port: int) -> None:
        """Bind the address, and refuse connections until `start`; port 0 takes a free one."""
        self.traffic = Traffic()
        self.died = threading.Event()
        """Set when a request was deadly, as it is for the real one."""
        self.stopping = threading.Event()
        self._holdings = holdings
        self._faults = faults
        self._switch = threading.RLock()
        self._listening = False
        self._listener = Listener((host, port), self)
        self._address = (host, int(self._listener.server_address[1]))

    @property
    def address(self) -> str:
        """`http://host:port`."""
        host, port = self._address
        return f"http://{host}:{port}"

    @property
    def listening(self) -> bool:
        """Whether connections are accepted."""
        return self._listening

    def start(self) -> None:
        """Accept connections, unless stopped for good."""
        with self._switch:
            if self._listening or self.stopping.is_set():
                return
            self._listener.server_activate()
            threading.Thread(target=self._listener.serve_forever, daemon=True).start()
            self.died.clear()
            self._listening = True

    def die(self) -> None:
        """Drop every connection and refuse new ones."""
        with self._switch:
            if self._listening:
                self._listening = False
                self._listener.close()
                self._listener = Listener(self._address, self)

    def blink(self, seconds: float) -> None:
        """Stop, and start again after a while."""
        self.die()
        back = threading.Timer(seconds, self.start)
        back.daemon = True
        back.start()

    def stop(self) -> None:
        """Stop for good, and close the port."""
        with self._switch:
            self.stopping.set()
            self.die()
            self._listener.server_close()

    def respond(self, request: Request) -> Answer:
        """Answer a request, or raise HangUp."""
        if request.path.startswith(switches.PREFIX):
            return switches.answer(request, self._holdings, self._faults, self.traffic)
        before = self.traffic.request(request)
        met = self._faults.meet()
        if "restarting" in met and met["restarting"].met % 3 == 0:
            self.blink(met["restarting"].amount)
            raise HangUp
        if "indexing" in met and wsapi.needs_view(request):
            return self._indexing(request, met["indexing"].amount)
        try:
            answer = wsapi.answer(request, self._holdings, met, before)
        except BackendDied as death:
            self._end_process()
            raise HangUp from death
        self.traffic.answer(request.path, rows=answer.rows, size=len(answer.body))
        return replace(answer, faults=met)

    def _indexing(self, request: Request, seconds: float) -> Answer:
        """Answer as while the view is being built, whether anybody still waits or not."""
        self.stopping.wait(seconds)
        if request.path.endswith("/count"):
            return Answer(status=500)
        self._end_process()
        raise HangUp

    def _end_process(self) -> None:
        self.died.set()
        self.die()
