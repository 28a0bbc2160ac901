/** Every limit, with its unit in its name and the reason beside it. Relations between them are asserted when this loads. */
import assert from "node:assert/strict";

/** Longest id, kind, source; MMSI, ICAO, UUIDs and URNs all fit. In UTF-16 units. */
export const MAX_ID_LENGTH = 256;
export const MAX_NAME_LENGTH = 64;
/** Labels of one entity, each a name: they are in memory and in every full record. */
export const MAX_LABELS = 32;
/** JSON text of one report's attributes, and of an entity's after merging: they are in memory and in every full record. */
export const MAX_ATTRIBUTES_BYTES = 8_192;
/** Nesting of attributes: RFC 7386 merging recurses. */
export const MAX_ATTRIBUTES_DEPTH = 16;
/** One report, as a line of NDJSON: the attributes and room for the rest. */
export const MAX_LINE_BYTES = 65_536;
/** A JSON array must be parsed whole, at once, on the main loop: 8 MiB take about 40 ms. */
export const MAX_JSON_BODY_BYTES = 8 * 2 ** 20;
/** All JSON bodies from their first byte to their answer; their parsed reports take about five times as much memory. */
export const MAX_BODIES_BYTES = 256 * 2 ** 20;
/** A JSON body that configures something. */
export const MAX_SMALL_BODY_BYTES = 131_072;
/** A fence as a JSON body: the largest one, indented as editors do, with all digits that a number can have, has 1.4 MB. */
export const MAX_FENCE_BODY_BYTES = 2 * 2 ** 20;
/** NDJSON is worked off as it comes, so only time limits it; this stops one client from streaming for ever. */
export const MAX_NDJSON_BODY_BYTES = 64 * 2 ** 20;
/** Refusals spelled out in one answer; the rest are counted. */
export const MAX_REFUSALS_LISTED = 1_000;
/** One feed message from a client. */
export const MAX_FEED_MESSAGE_BYTES = 1 * 2 ** 20;
/** Reports in one feed message or one HTTP array. */
export const MAX_BATCH_REPORTS = 50_000;
export const MAX_VIEWS_PER_CONNECTION = 32;
export const MAX_VIEW_NAME_LENGTH = 64;
export const MAX_KINDS_PER_VIEW = 64;
/** Ids of one view: each is looked up at each tick. */
export const MAX_IDS_PER_VIEW = 1_000;
/** Radius of a view that follows an entity, metres: a quarter of the globe. */
export const MAX_FOLLOW_RADIUS = 10_000_000;
/** Entities in one view, beyond which it gets clusters: what a client asks for, and what it gets without asking. */
export const MAX_VIEW_ENTITIES = 100_000;
export const DEFAULT_VIEW_ENTITIES = 5_000;
/** Below this share of its maximum a view gets entities again: the gap keeps it from going back and forth. */
export const BACK_TO_ENTITIES_SHARE = 0.8;
/** Cells of clusters in one frame: once a second they stay below 10 KB, in JSON too. */
export const MAX_CLUSTER_CELLS = 300;
/** Base ticks between two frames of clusters. */
export const CLUSTER_TICKS = 10;
/** A filter that no more views than this have is applied to each one's share of the unfiltered records. */
export const MAX_PRIVATE_VIEWS = 4;
/** It must be a small share: a view that looks at more entities than this gets a channel for its filter. Not one of who may not see all: that would tell how many there are. */
export const MAX_PRIVATE_ENTITIES = 20_000;
/** Handles that one connection may introduce for its binary reports. */
export const MAX_HANDLES_PER_CONNECTION = 200_000;
/** Ids, kinds and sources of these, in UTF-16 units: 200,000 handles of usual names. */
export const MAX_HANDLE_TEXT = 8 * 2 ** 20;
/** Feed messages with reports that wait for their commit, per connection. */
export const MAX_PENDING_ACKS_PER_CONNECTION = 256;
/** Messages that are not the protocol, per connection and minute, before it is closed: a program that has a mistake in it may be open for weeks. */
export const MAX_BAD_MESSAGES_PER_CONNECTION = 100;
export const BAD_MESSAGES_MS = 60_000;
export const MAX_CONNECTIONS = 20_000;

/** A socket with more than this unsent, beside one frame that was begun when it had room, is skipped this tick and gets a fresh snapshot when it has drained. */
export const SLOW_SOCKET_BYTES = 1 * 2 ** 20;
/** A socket that has something unsent and took no byte for so long is closed. */
export const NO_PROGRESS_MS = 30_000;
/** Records in one part of a snapshot: about 128 KiB of JSON, so that a slow socket makes progress between parts. */
export const SNAPSHOT_PART_RECORDS = 512;
/** Bytes of one part, about, where records are larger: 8 s of a line of 128 kbit/s, of which a client that waits 15 s for a message must not think that it is dead. */
export const SNAPSHOT_PART_BYTES = 128 * 2 ** 10;
/** Snapshot bytes per node and base tick: a reconnect storm must not starve the deltas. */
export const SNAPSHOT_BYTES_PER_TICK = 16 * 2 ** 20;
/** Records of one delta: 100,000 moves as JSON. A view for which it would be more starts again, with a snapshot in parts. */
export const MAX_DELTA_BYTES = 16 * 2 ** 20;
export const BASE_TICK_MS = 100;
export const HEARTBEAT_MS = 5_000;
/** Unsent bytes of one socket, replies and acks included, before it is closed: they are not conflated as views are. */
export const MAX_UNSENT_BYTES = 8 * 2 ** 20;
/** uWebSockets.js cuts a socket with more than this unsent. Far above the limits that the feed keeps by itself: only a fault reaches it. */
export const MAX_SOCKET_UNSENT_BYTES = 64 * 2 ** 20;
/** Distinct filters, rates and tolerances with views, beside everything at each rate. Each costs a turn per tick. */
export const MAX_CHANNELS = 256;
/** And 10 bytes for each slot of the picture, 50 with a tolerance: with 4 million entities 256 channels would take 10 to 54 GB. */
export const MAX_CHANNELS_BYTES = 2 * 2 ** 30;
/** Quad cells of one cover. */
export const MAX_COVER_CELLS = 16;

export const MAX_LIST_LIMIT = 10_000;
export const DEFAULT_LIST_LIMIT = 100;
/** Kinds or states in one query. */
export const MAX_QUERY_NAMES = 64;

/** Longest stretch of work before other sockets have their turn. */
export const SLICE_MS = 2;
/** Reports that wait for their turn on the loop; beyond it new work is refused. */
export const MAX_QUEUED_REPORTS = 400_000;
/** Facts decided and not committed; beyond it new work is refused. Some 2 million reports. */
export const MAX_BACKLOG_BYTES = 128 * 2 ** 20;
/** A flush is cut when the one before is done, and not before so long, so that single reports share a commit. */
export const MIN_FLUSH_INTERVAL_MS = 2;
/** A batch that holds so much by then is one of many, which wait a little longer: a flush and its 256 sections cost as much as 100 reports. */
export const BUSY_FLUSH_BYTES = 16 * 2 ** 10;
export const BUSY_FLUSH_INTERVAL_MS = 20;
/** Facts in one flush: one parameter, one WAL record group. */
export const MAX_FLUSH_BYTES = 4 * 2 ** 20;
/** Event rows in one flush; more wait for the next with their facts' flush. */
export const MAX_FLUSH_EVENTS = 20_000;
/** Recovery folds at most about so many facts. */
export const MAX_REPLAY_FACTS = 2_000_000;
/** What is told of something that goes on is told again so often. */
export const WARNING_REPEAT_MS = 60_000;
/** A shard that changes is checkpointed about this often, and its `entity` rows follow: they may lag seconds. */
export const CHECKPOINT_INTERVAL_MS = 10_000;
/** Rows of one background statement on the embedded store, which has one connection: flushes wait behind it. */
export const MAX_BACKGROUND_ROWS = 200;
/** `entity` rows written a second, at most: they may lag, acknowledgements may not. */
export const SNAPSHOT_ROWS_PER_SECOND = 5_000;

export const SHARDS = 256;
/** Entities of one node. */
export const MAX_ENTITIES = 4_000_000;
assert.ok(MAX_CHANNELS_BYTES > 2 ** 22 * (4 * 50 + 20 * 10), "a full node has channels for some filters");
/** What a shard's checkpoint may take at most: it is one statement, and a shard that could not be checkpointed would stop the node at each start. */
export const MAX_SHARD_BYTES = 56 * 2 ** 20;
/** Counted for an entity beside its id, attributes, context and timers; the most that its times, motion and duplicate memory of eight sources can take, and a timer. */
export const ENTITY_BYTES = 2_304;

/** A command's own id: a UUID, or a name that its sender can make again. In UTF-16 units. */
export const MAX_COMMAND_ID_LENGTH = 64;
/** One command over HTTP: its data, bounded as attributes, and room for the rest. */
export const MAX_COMMAND_BODY_BYTES = 65_536;
/** Commands that wait for their reply, per connection. */
export const MAX_PENDING_COMMANDS_PER_CONNECTION = 64;
/** One that is sent again within this time is known. The SDK sends none again after half of it; who asks by other means has to mind it. */
export const COMMAND_MEMORY_MS = 600_000;
/** Remembered commands of one shard: seven a second for that time. They are in memory and in its checkpoint. */
export const MAX_COMMANDS_PER_SHARD = 4_096;
/** How many of them may be changes by administrators, which hold up no commands and deletions so. */
export const MAX_PATCHES_PER_SHARD = MAX_COMMANDS_PER_SHARD / 2;
/** The most that one takes in a checkpoint: id, numbers, and the name of its state, if it is the only one in that. */
export const COMMAND_BYTES = 512;

/** Statements that take away rows of deleted entities together, and erasures together: each takes a connection, and statements of 200 rows. */
export const REMOVALS_AT_ONCE = 2;
/** Deleted entities of one shard whose rows wait to be taken away: they are in memory and in its checkpoint. As many as it remembers deletions of ten minutes. */
export const MAX_REMOVALS_PER_SHARD = 4_096;
/** Ids of one shard that are being erased: they are in its checkpoint, and nothing holds them up for long but a node or a database that is silent. */
export const MAX_ERASURES_PER_SHARD = 64;
/** Who asked for an erasure is told after so long that it is still under way: the checkpoints of all shards fit, several times. */
export const ERASURE_WAIT_MS = 60_000;

assert.ok(ERASURE_WAIT_MS > 3 * CHECKPOINT_INTERVAL_MS);
assert.ok(MAX_COMMAND_BODY_BYTES > MAX_ATTRIBUTES_BYTES * 2);
assert.ok(MAX_LABELS * MAX_NAME_LENGTH * 3 < MAX_ATTRIBUTES_BYTES, "records with both are twice as large");
assert.ok(MAX_LINE_BYTES > MAX_ATTRIBUTES_BYTES * 2, "a report with the largest attributes must fit a line");
assert.ok(MAX_FEED_MESSAGE_BYTES > MAX_LINE_BYTES);
assert.ok(MAX_FLUSH_BYTES * 4 < MAX_BACKLOG_BYTES, "the backlog must hold several flushes");
assert.ok(SNAPSHOT_BYTES_PER_TICK > SLOW_SOCKET_BYTES);
assert.ok(MAX_VIEW_ENTITIES >= DEFAULT_VIEW_ENTITIES);
assert.ok(CLUSTER_TICKS * BASE_TICK_MS >= 1_000, "clusters are sent once a second at most");
assert.ok(MAX_UNSENT_BYTES > 2 * SLOW_SOCKET_BYTES, "a slow socket must be noticed before it is closed");
assert.ok(MAX_SOCKET_UNSENT_BYTES > 4 * MAX_UNSENT_BYTES + SNAPSHOT_BYTES_PER_TICK);
assert.ok(MAX_DELTA_BYTES <= SNAPSHOT_BYTES_PER_TICK);
assert.ok(MAX_DELTA_BYTES > 160 * MAX_VIEW_ENTITIES, "a view of the most entities may be told all moves");
assert.ok(MAX_DELTA_BYTES > 2 * MAX_IDS_PER_VIEW * MAX_ATTRIBUTES_BYTES, "a view of ids is told all");
assert.ok(MAX_LIST_LIMIT >= DEFAULT_LIST_LIMIT);

/** From a connection's first byte to the end of a request's headers; a client that drips them is cut. */
export const REQUEST_HEADERS_MS = 10_000;
/** From a request's first byte to its last: the longest NDJSON stream. */
export const REQUEST_MS = 600_000;
/** An HTTP connection without a request; longer than the 60 s of usual proxies, so that they close first. */
export const KEEP_ALIVE_MS = 65_000;
/** From our close frame to the peer's; then the socket is cut. */
export const CLOSE_HANDSHAKE_MS = 5_000;
/** Connections that are open when a server closes get so long for what is on their way, a request on one that is kept alive for instance. */
export const FAREWELL_MS = 100;
/** After an early answer the rest of a body is read and thrown away for so long, else a reset may destroy the answer. */
export const LINGER_MS = 30_000;
/** An unread body of up to so many bytes is thrown away and its connection kept. */
export const MAX_DISCARDED_BODY_BYTES = 65_536;

/** One message between nodes. Redis cuts a subscriber for which 32 MB wait, so that one message must stay far below. */
export const MAX_BUS_MESSAGE_BYTES = 8 * 2 ** 20;
/** What a message takes beside its payload: promise, timer and queue entry of ioredis, entry of the inbox. */
export const BUS_MESSAGE_OVERHEAD_BYTES = 1_024;
/** Published and not yet answered by the bus: what a link of 250 Mbit/s takes until the deadline of a publish. */
export const MAX_BUS_UNANSWERED_BYTES = 32 * 2 ** 20;
/** Received and not yet handed over: all windows of 16 links. Beyond, the oldest are dropped, as links send again. */
export const MAX_BUS_INBOX_BYTES = 64 * 2 ** 20;
/** From a publish or subscribe to its answer. Shorter than the time in which a dead connection is noticed: callers want to know now. */
export const BUS_ANSWER_MS = 1_000;
/** From a ping to the next one, and to the moment at which a connection without a byte since is cut: 4 s at worst, less than a lease. */
export const BUS_PING_MS = 2_000;
/** From the begin of a connection to its being usable; then it is begun anew. */
export const BUS_CONNECT_MS = 3_000;
/** Before a connection is made again, growing between these: a restarted Redis is found soon, and not stormed by all nodes at once. */
export const MIN_BUS_BACKOFF_MS = 100;
export const MAX_BUS_BACKOFF_MS = 2_000;
assert.ok(
  MAX_BUS_UNANSWERED_BYTES > 2 * MAX_BUS_MESSAGE_BYTES && MAX_BUS_INBOX_BYTES > 2 * MAX_BUS_MESSAGE_BYTES,
);

/** One CEL expression, in UTF-16 units: it is parsed whole, and evaluated on the main loop. */
export const MAX_EXPRESSION_LENGTH = 1_024;
/** One of a grant with the principal's attributes written into it. */
export const MAX_BOUND_LENGTH = 8 * MAX_EXPRESSION_LENGTH;
/** Texts of what a principal may see, as they go to other nodes with a question. */
export const MAX_PERMITTED_TEXTS = 1_024;
/** Lists of them that are kept compiled, by each who asks: principals with equal ones share one. */
export const MAX_PERMITTED_LISTS = 256;
/** Syntax nodes and nesting of one CEL expression: the parser and the evaluator recurse. */
export const MAX_EXPRESSION_NODES = 512;
export const MAX_EXPRESSION_DEPTH = 32;
/** Characters or elements of what one `+` of CEL makes: twice what attributes, or the context of a machine, hold. */
export const MAX_JOINED_LENGTH = 16_384;
/** Parts of one evaluation in CEL that may fail and be passed over by `||`, `&&` or a loop: each takes some 2 µs, 50 times as long as one that does not. */
export const MAX_EXPRESSION_FAILURES = 256;
/** Of a base tick what all filters together may take, ms: then the costliest is stopped. */
export const MAX_FILTER_MS = BASE_TICK_MS / 2;
/** Characters of a duration in CEL: the longest that says something has 25. */
export const MAX_DURATION_LENGTH = 32;

/** One statement with its parameters on the way to the embedded database: a flush and room for its events. */
export const MAX_UNIT_BYTES = 64 * 2 ** 20;
assert.ok(
  MAX_SHARD_BYTES +
    MAX_COMMANDS_PER_SHARD * COMMAND_BYTES +
    (MAX_REMOVALS_PER_SHARD + MAX_ERASURES_PER_SHARD) * (MAX_ID_LENGTH * 3 + 8) <
    MAX_UNIT_BYTES,
  "every checkpoint must fit a statement",
);
assert.ok(
  (MAX_ENTITIES / SHARDS) * ENTITY_BYTES < MAX_SHARD_BYTES * 0.75,
  "shards are not of equal size, and entities have attributes",
);
/** Statements of all clients that wait for the embedded database. */
export const MAX_WAITING_UNITS = 1_000;
/** One of the journal's four parts: recovery reads at most the ring, and a part is emptied when all checkpoints have passed it. */
export const JOURNAL_PART_BYTES = 64 * 2 ** 20;
/** Small flushes fill a part by number: a start looks at each row. */
export const JOURNAL_PART_ROWS = 20_000;

// tracks
/** Points of one segment, which is one row and one entry of each index. */
export const MAX_SEGMENT_POINTS = 64;
/** From a segment's first point to its last. */
export const MAX_SEGMENT_MS = 900_000;
/** Longest silence through which an entity is taken to be where it was; a row is looked for in two daily partitions. */
export const MAX_HOLD_MS = 11 * 3_600_000;
assert.ok(MAX_SEGMENT_MS + 2 * MAX_HOLD_MS < 86_400_000, "a row reaches one day back at most");
/** A report that comes so long after it was observed is told apart from those that come in time, so that what was known when can be told. */
export const TRACK_DELAY_MS = 10_000;
/** From the first to the last of such reports of one segment, which all count as known when the first came: a row a minute of an entity that always reports late. */
export const MAX_KNOWN_SPAN_MS = 60_000;
/** Points that a shard holds until they are in rows, and as many that are already: some 300,000, or 100,000 that came late. They go with its checkpoints; beyond it its reports are refused. */
export const MAX_SHARD_TRACK_BYTES = 7 * 2 ** 20;
/** Rows of tracks in one statement on a server: some 500 KB. More are 10 ms in which nothing else is done. */
export const TRACK_BATCH_ROWS = 200;
/** Late points that are written in one go, and from the first to the last of one entity's: what they change is put in order between two slices of work. */
export const MAX_LATE_POINTS = 2_000;
export const MAX_LATE_SPAN_MS = 86_400_000;
/** Entities of which what was is not corrected as that failed, while others are. With more all of them are tried again. */
export const MAX_LATE_ASIDE = 1_000;
/** Segments of a track in one answer: 64,000 positions by default. */
export const MAX_TRACK_SEGMENTS = 5_000;
export const DEFAULT_TRACK_SEGMENTS = 1_000;
/** Rows of a track in one read: 500 KB. */
export const MAX_TRACK_PAGE = 200;
/** Segments in one read of what happened in a place, rows or memory: 1.2 MB. */
export const MAX_STRETCH_PAGE = 500;
/** Entities whose labels are asked for at once. */
export const MAX_LABEL_IDS = 1_000;
/** Rows in one read of where everything was, for who may not see all: so many reads are made for one answer, and more until there is something to tell. */
export const MIN_JUDGED_PAGE = 500;
export const MAX_JUDGED_PAGES = 10;
assert.ok(MIN_JUDGED_PAGE < MAX_LABEL_IDS && MAX_STRETCH_PAGE <= MAX_LABEL_IDS, "a page is one question");
/** Reads of tracks at once, of six connections to a server; more wait, and beyond this number are refused. */
export const MAX_TRACK_READS = 2;
export const MAX_WAITING_TRACK_READS = 100;
/** Rows of tracks written a second, at most: those of a million reports, which must not fall behind. */
export const TRACK_ROWS_PER_SECOND = 20_000;
assert.ok(TRACK_ROWS_PER_SECOND * MAX_SEGMENT_POINTS > 1_000_000);
assert.ok((TRACK_ROWS_PER_SECOND * MAX_KNOWN_SPAN_MS) / 1_000 > 1_000_000, "all may be late");
assert.ok(MAX_SHARD_BYTES + MAX_SHARD_TRACK_BYTES < MAX_UNIT_BYTES, "both go in one statement");

// playback
/** Played seconds a second, at most: a day takes 24 s. */
export const MAX_PLAYBACK_SPEED = 3_600;
/** A time to be played may be so far in the future, as clocks differ, and counts as now; beyond it is a mistake. */
export const MAX_PLAYBACK_AHEAD_MS = 60_000;
/** Playback views of one connection, and of a node: each has a picture of its own, of 0.5 MB, and 16 kB for each three-hundredth of the earth that it ever showed. */
export const MAX_PLAYBACKS_PER_CONNECTION = 4;
export const MAX_PLAYBACKS = 100;
/** Entities around one playback view, beyond which it cannot be played: they are moved at each tick. */
export const MAX_PLAYBACK_ENTITIES = 20_000;
/** Bytes of ways that one playback view holds, and all of a node, twice of those that read. One may always read `PLAYBACK_SHARE_BYTES`: 1.9 GB in all, if each looks at a crowd. */
export const MAX_PLAYBACK_BYTES = 24 * 2 ** 20;
export const MAX_PLAYBACKS_BYTES = 256 * 2 ** 20;
export const PLAYBACK_SHARE_BYTES = 16 * 2 ** 20;
/** A way beside its points and texts: its objects, and its entity's place in the picture. */
export const PLAYBACK_WAY_BYTES = 400;
assert.ok(MAX_PLAYBACK_ENTITIES * (PLAYBACK_WAY_BYTES + 3 * 48 + 2 * 128) <= PLAYBACK_SHARE_BYTES);
/** Playback views that read history at once. */
export const MAX_PLAYBACK_LOADS = 2;
/** Played time that is read ahead: for so long a time of its viewer, after a seek less at first; and not less or more than. Less if that is too much. */
export const PLAYBACK_FIRST_AHEAD_MS = 2_000;
export const PLAYBACK_AHEAD_MS = 20_000;
export const PLAYBACK_SHORTEST_MS = 60_000;
export const PLAYBACK_LONGEST_MS = 12 * 3_600_000;
/** With less than this it is not played: there is too much in its place. */
export const PLAYBACK_LEAST_MS = 1_000;
/** So long before what was read ends, more is read. */
export const PLAYBACK_PREFETCH_MS = 3_000;
/** What was read is read again, as late reports change it: after a tenth of the time that had passed since, within these bounds. */
export const PLAYBACK_REREAD_SHARE = 0.1;
export const PLAYBACK_REREAD_SHORTEST_MS = 1_000;
export const PLAYBACK_REREAD_LONGEST_MS = 60_000;
/** A playback that comes so near to now has reached the present. */
export const PLAYBACK_PRESENT_MS = 2_000;
/** Before history is read again while it cannot be read. */
export const PLAYBACK_RETRY_MS = 1_000;
/** All playback views of a node have so much of a base tick; those that are left out have their turn in the next. */
export const PLAYBACK_TURN_MS = 25;
assert.ok(PLAYBACK_REREAD_SHORTEST_MS < PLAYBACK_PRESENT_MS, "what is played near now can be read in time");
assert.ok(PLAYBACK_PREFETCH_MS < PLAYBACK_AHEAD_MS);

// configuration
/** Between two looks whether another node has changed something, if its announcement was lost. */
export const CONFIGURATION_LOOK_MS = 5_000;

// cluster
/** From its submission to its answer, for a report that waits for an owner or for one that is silent: lease, eviction and loading fit. */
export const CLUSTER_WAIT_MS = 10_000;
/** The same, for a report that its owner has taken and cannot commit: it waits for the database, as those of the owner's own clients do. */
export const CLUSTER_COMMIT_WAIT_MS = 60_000;
/** How often it is looked whose time is over. */
export const CLUSTER_SWEEP_MS = 100;
/** After an owner has refused reports as not its own, until they are tried there again if nobody knows of a newer one: it may have been wrong. */
export const CLUSTER_DOUBT_MS = 2_000;
/** Encoded reports in one frame of a link, about: 1,000 reports take the owner 0.3 ms to decode. */
export const LINK_FRAME_BYTES = 64 * 2 ** 10;
/** Encoded reports without an answer on one link: some 60,000. Beyond it reports are refused. */
export const LINK_WINDOW_BYTES = 4 * 2 ** 20;
/** What a frame takes beside its bytes until it is forgotten, reports or not: 16,000 empty ones fill the window, and go out anew in one go. */
export const LINK_FRAME_OVERHEAD_BYTES = 256;
/** Without progress for so long a link repeats itself; while nothing answers the time doubles up to the longest. */
export const LINK_RESEND_MS = 250;
export const LINK_RESEND_LONGEST_MS = 2_000;
/** Share by which these times are scattered, so that links do not repeat themselves in step. */
export const LINK_JITTER = 0.2;
/** Links into one node; the senders of gone nodes that are remembered, so that what is late of them is not taken. */
export const MAX_LINK_SENDERS = 1_024;
/** Ids that a link knows by number, some 150 bytes each at both ends; with more it forgets them all and begins anew. */
export const MAX_LINK_IDS = 250_000;
/** Text of one refusal on its way back, in UTF-16 units: results are kept until the sender has them. */
export const MAX_LINK_DETAIL_LENGTH = 256;
/** Reports that waited and go to one place in one go, between looks at the clock. */
export const MAX_RELEASED_REPORTS = 1_024;
/** Without an answer for so long a command is sent again: it is small, and known again. */
export const COMMAND_RESEND_MS = 250;
/** Commands of clients that are not answered, and those of other nodes, each: with the largest data some 32 MiB. */
export const MAX_COMMANDS_UNDER_WAY = 4_096;
assert.ok(LINK_WINDOW_BYTES > 8 * LINK_FRAME_BYTES);
assert.ok(
  (LINK_WINDOW_BYTES / LINK_FRAME_OVERHEAD_BYTES) * (BUS_MESSAGE_OVERHEAD_BYTES + 256) <
    MAX_BUS_UNANSWERED_BYTES,
  "a window of empty frames can be repeated",
);
assert.ok(LINK_FRAME_BYTES >= MAX_LINE_BYTES, "a frame takes two of the largest reports at most");
assert.ok(CLUSTER_DOUBT_MS * 2 < CLUSTER_WAIT_MS);
assert.ok(CLUSTER_WAIT_MS < CLUSTER_COMMIT_WAIT_MS);
assert.ok(LINK_RESEND_LONGEST_MS * 2 < CLUSTER_WAIT_MS, "what a link has lost must be repeated in time");

// events
/** Events of one read of the log: on the embedded store flushes wait behind it. */
export const MAX_EVENT_ROWS = MAX_BACKGROUND_ROWS;
/** How often the log is looked at for what other nodes wrote. */
export const EVENT_POLL_MS = 500;
/** … and while older transactions are under way, behind which this node's own events may wait. */
export const EVENT_POLL_BUSY_MS = 50;
/** Between two looks, however many commits there are. */
export const EVENT_POLL_LEAST_MS = 10;
/** Newest events that are kept in memory for those who read at the end: 32 MB of the largest. */
export const MAX_EVENT_WINDOW = 4_000;
/** Reads by those that are behind, at once: each takes one of the few connections to the database. */
export const MAX_EVENT_READS = 2;
/** Readers woken in one turn of the loop; each may have as many events to filter as a read has. */
export const EVENT_WAKE_READERS = 8;
/** An end of the log that stands still for so long behind a transaction is told. */
export const EVENT_LAG_WARN_MS = 5_000;
/** Before a read is tried again while the database is away. */
export const EVENT_RETRY_MS = 500;
export const MAX_EVENT_PAGE = 1_000;
/** Events that are looked at for one page: a filter that hardly any passes gets a short page and a link to go on. */
export const MAX_EVENT_SCAN = 4_000;
/** Streams of events of one node, by feed and by HTTP: each filters every event. */
export const MAX_EVENT_STREAMS = 1_000;
export const MAX_EVENTS_PER_CONNECTION = 8;
export const MAX_CURSOR_LENGTH = 64;
