"""What the API may be told."""

from __future__ import annotations

from pathlib import Path

import msgspec


class ApiConfig(msgspec.Struct, frozen=True, kw_only=True):
    """Who may ask, and how much one client may take. Sizes are bytes, durations seconds."""

    allowed_hosts: tuple[str, ...] = ()
    """Names under which the API may be addressed besides the loopback ones, without port."""
    allowed_origins: tuple[str, ...] = ()
    """Web origins whose pages may open the stream besides our own and the loopback ones, as ``https://host:port``."""
    tokens: Path | None = None
    """The file of tokens; without one nobody can write."""
    read_needs_token: bool = False
    """Whether reading needs a token, too."""
    compat_at_root: bool = False
    """Whether what is under ``/compat`` is at the root as well; ``/health`` then answers as the older server did."""
    reader_threads: int = 4
    """How many requests may read the store at the same time."""
    sql_waiting: int = 8
    """How many SQL queries may wait or run; they run one after another."""
    sql_timeout_s: float = 10.0
    sql_rows: int = 10_000
    sql_bytes: int = 16 << 20
    """The most that a query may give back; what is beyond is cut off, and said to be."""
    requests_per_s: float = 50.0
    """How often a client at another machine may ask on average; this machine may ask as often as it likes."""
    request_burst: int = 500
    """How often it may ask at once, as a page that opens does."""
    max_connections: int = 2_000
    """How many connections may be open; those that wait for a request make room, then requests are refused with 503."""
    request_within_s: float = 30.0
    """How long a client may take to send a whole request, or the next 64 KiB of a long one."""
    take_within_s: float = 30.0
    """How long a client may take nothing of an answer."""
    max_unsent_bytes: int = 256 << 20
    """How much all answers that clients have not taken yet may hold; the largest go first."""
    look_every_s: float = 1.0
    """How often connections are looked through for those that are over."""
    max_query_bytes: int = 8_192
    max_body_bytes: int = 65_536
    answers_bytes: int = 32 << 20
    """How much memory answers about the past may take that are kept to be sent again."""
    max_message_bytes: int = 65_536
    """The longest message a stream client may send."""
    frames_per_s: float = 20.0
    """How often a stream client may send something on average, be it a request, a ping or a part of one."""
    frame_burst: int = 500
    """How often it may do so at once."""
    max_clients: int = 1_000
    """How many stream clients may be connected."""
    max_clients_each: int = 250
    """How many of them may have one token or, without one, come from one other machine."""
    max_indicators: int = 500
    """How many indicators of single instruments all stream clients together may follow."""
    client_backlog: int = 200
    """How many messages may wait for a stream client before it is closed as too slow."""
    subscribe_within_s: float = 30.0
    """How long a stream client may take to subscribe to something."""
    close_grace_s: float = 5.0
    """How long a slow client has to take what is on its way before the connection is dropped."""
    status_every_s: float = 1.0
    resume_records: int = 50_000
    """More records than this are not sent one by one to a client that resumes: it gets a snapshot."""
    snapshot_candles: int = 300
    snapshot_trades: int = 100
    snapshot_alerts: int = 200
    """How many trades of an instrument, candles of a series, and alerts of all instruments a snapshot holds."""
