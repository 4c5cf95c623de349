import type { Client } from 'pg'
import { overtaken } from '../failures.ts'
import { quote } from './connection.ts'

/**
 * The tables by which a domain tells others what happened and hears what happened elsewhere. Every domain's schema has them, made by provisioning rather
 * than by its own migrations, since they belong to the platform: Prisma's schema does not name them.
 */
export const eventTables = ['outbox', 'outbox_head', 'inbox', 'inbox_head'] as const

/** Creates what is missing of them in the domain's schema; the functions are always replaced. */
export async function installEventTables(
  client: Client,
  domain: string,
  roles: { serving: string; system: string },
): Promise<void> {
  const schema = quote(domain)
  const { rows } = await client.query<{ table: string }>(
    'SELECT relname AS "table" FROM pg_class WHERE relnamespace = to_regnamespace($1) AND relname = ANY ($2)',
    [schema, eventTables],
  )
  const existing = new Set(rows.map(({ table }) => table))
  for (const table of eventTables) {
    if (existing.has(table)) continue
    await client.query(
      `${tables[table].replaceAll('$S.', `${schema}.`)}; SELECT app.tenant_table('${schema}.${table}')`,
    )
  }
  await client.query(
    functions
      .replaceAll('$SERVING', quote(roles.serving))
      .replaceAll('$SYSTEM', quote(roles.system))
      .replaceAll('$S.', `${schema}.`),
  )
}

/** Tables that are always being updated and emptied are cleaned early and leave room on each page. */
const busy = 'WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0)'

const tables = {
  // One row for each aggregate that ever had an event. Whoever emits holds it until the commit, so that revisions are given in the order of commits.
  outbox_head: `CREATE TABLE $S.outbox_head (
    tenant_id uuid NOT NULL DEFAULT app.tid(),
    aggregate text NOT NULL,
    revision bigint NOT NULL,
    last_by_type jsonb NOT NULL, -- event type → the revision of its latest event
    previous jsonb NOT NULL DEFAULT '{}', -- the same before the latest event
    PRIMARY KEY (tenant_id, aggregate)
  ) ${busy}`,

  // What was emitted, kept after it was published: it is the history from which projections are built again.
  outbox: `CREATE TABLE $S.outbox (
    tenant_id uuid NOT NULL DEFAULT app.tid(),
    id uuid NOT NULL,
    aggregate text NOT NULL,
    revision bigint NOT NULL,
    last_by_type jsonb NOT NULL, -- as it was before this event
    type text NOT NULL,
    version integer NOT NULL, -- of the type's schema
    time timestamptz(3) NOT NULL DEFAULT clock_timestamp(),
    traceparent text,
    data jsonb NOT NULL,
    published_at timestamptz(3),
    PRIMARY KEY (tenant_id, id),
    UNIQUE (tenant_id, aggregate, revision)
  ) ${busy};
  CREATE INDEX outbox_unpublished ON $S.outbox (tenant_id, aggregate, revision) WHERE published_at IS NULL`,

  // One row for each handler and event: what waits, and what was done, so that it is not done again.
  inbox: `CREATE TABLE $S.inbox (
    tenant_id uuid NOT NULL DEFAULT app.tid(),
    handler text NOT NULL,
    id uuid NOT NULL,
    source text NOT NULL,
    aggregate text NOT NULL,
    revision bigint NOT NULL,
    after bigint NOT NULL, -- the revision that this handler must have handled before
    type text NOT NULL,
    version integer NOT NULL,
    time timestamptz(3) NOT NULL,
    traceparent text,
    data jsonb, -- null once it is done
    status text NOT NULL DEFAULT 'pending' CHECK (status IN ('pending', 'done', 'dead', 'discarded')),
    attempts integer NOT NULL DEFAULT 0,
    error text,
    received_at timestamptz(3) NOT NULL DEFAULT clock_timestamp(),
    first_failed_at timestamptz(3),
    last_failed_at timestamptz(3),
    PRIMARY KEY (tenant_id, handler, id)
  ) ${busy};
  CREATE INDEX inbox_waiting ON $S.inbox (tenant_id, handler, source, aggregate, revision) WHERE status IN ('pending', 'dead')`,

  // One row for each handler and aggregate: how far it is, and when to go on. Events of one aggregate are handled one after the other because this row is leased.
  inbox_head: `CREATE TABLE $S.inbox_head (
    tenant_id uuid NOT NULL DEFAULT app.tid(),
    handler text NOT NULL,
    source text NOT NULL,
    aggregate text NOT NULL,
    handled bigint NOT NULL DEFAULT 0, -- the latest revision that was handled
    attempts integer NOT NULL DEFAULT 0, -- at the next event; counted when one begins, so that an event that kills its process counts as well
    ready_at timestamptz(3), -- when to go on; null when nothing waits, or when parked behind a dead event
    leased_until timestamptz(3),
    parked boolean NOT NULL DEFAULT false,
    PRIMARY KEY (tenant_id, handler, source, aggregate)
  ) ${busy};
  CREATE INDEX inbox_ready ON $S.inbox_head (tenant_id, ready_at) WHERE ready_at IS NOT NULL`,
}

/** The advisory lock of a handler for a tenant: shared by those who handle, exclusive to who rebuilds. */
const handlerKey = (handler: string, tenant: string) =>
  `hashtext('$S.handler ' || ${handler}), hashtext(${tenant}::text)`

/**
 * For functions that look up few rows of tables that may be too young for statistics: one by one, in the index that has them in their order, and not in whichever seemed as good
 * when the plan was made (measured: for each batch all that a tenant ever had was read). A condition that only another index could answer is written so that it can't. Before
 * PostgreSQL 18 what is switched off and used all the same looks so expensive that it would be compiled first, for a second.
 */
const byIndex =
  'SET jit = off SET enable_sort = off SET enable_hashjoin = off SET enable_mergejoin = off SET enable_seqscan = off'

/** What a handler is told of an event that waits. */
const waiting =
  'i.id, i.source, i.aggregate, i.revision, i.after, i.type, i.version, i.time, i.traceparent, i.status, i.received_at, i.data'

const functions = `
-- Writes events, in the transaction of the change that they tell of. Aggregates are taken in one order, so that two transactions do not wait for each other.
CREATE OR REPLACE FUNCTION $S.emit(events jsonb) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  event record;
BEGIN
  FOR event IN
    SELECT e.* FROM jsonb_to_recordset(events)
      AS e(n integer, id uuid, aggregate text, type text, version integer, traceparent text, data jsonb)
    ORDER BY e.aggregate, e.n
  LOOP
    WITH head AS (
      INSERT INTO $S.outbox_head AS h (tenant_id, aggregate, revision, last_by_type)
        VALUES (app.tid(), event.aggregate, 1, jsonb_build_object(event.type, 1))
        ON CONFLICT (tenant_id, aggregate) DO UPDATE SET revision = h.revision + 1, previous = h.last_by_type,
          last_by_type = h.last_by_type || jsonb_build_object(event.type, h.revision + 1)
        RETURNING h.revision, h.previous
    )
    INSERT INTO $S.outbox (tenant_id, id, aggregate, revision, last_by_type, type, version, traceparent, data)
      SELECT app.tid(), event.id, event.aggregate, head.revision, head.previous, event.type, event.version, event.traceparent, event.data FROM head;
  END LOOP;
END $$;

-- What is to be published. All who wait have the same share of a round, so that a tenant's backlog delays nobody else's.
CREATE OR REPLACE FUNCTION $S.outbox_next(most integer) RETURNS SETOF $S.outbox LANGUAGE sql AS $$
  WITH RECURSIVE walk AS (
    (SELECT tenant_id FROM $S.outbox WHERE published_at IS NULL ORDER BY tenant_id LIMIT 1)
    UNION ALL
    SELECT (SELECT o.tenant_id FROM $S.outbox o WHERE o.published_at IS NULL AND o.tenant_id > t.tenant_id ORDER BY o.tenant_id LIMIT 1)
    FROM walk t WHERE t.tenant_id IS NOT NULL
  ), tenants AS MATERIALIZED (
    SELECT tenant_id FROM walk WHERE tenant_id IS NOT NULL ORDER BY random() LIMIT most
  )
  SELECT o.* FROM tenants t CROSS JOIN LATERAL (
    SELECT * FROM $S.outbox o WHERE o.tenant_id = t.tenant_id AND o.published_at IS NULL ORDER BY o.aggregate, o.revision
    LIMIT (SELECT greatest(1, most / greatest(1, count(*))) FROM tenants)
  ) o
$$;

-- Takes what was delivered, for each handler that wants it. What is there already changes nothing. Returns how many were new.
CREATE OR REPLACE FUNCTION $S.receive(events jsonb) RETURNS bigint LANGUAGE sql AS $$
  WITH given AS (
    SELECT * FROM jsonb_to_recordset(events) AS e(tenant_id uuid, handler text, id uuid, source text, aggregate text, revision bigint,
      after bigint, type text, version integer, time timestamptz, traceparent text, data jsonb)
  ), received AS (
    INSERT INTO $S.inbox (tenant_id, handler, id, source, aggregate, revision, after, type, version, time, traceparent, data)
    SELECT tenant_id, handler, id, source, aggregate, revision, after, type, version, time, traceparent, data FROM given
    ORDER BY tenant_id, handler, id
    ON CONFLICT (tenant_id, handler, id) DO NOTHING
    RETURNING tenant_id, handler, source, aggregate
  ), heads AS (
    INSERT INTO $S.inbox_head AS h (tenant_id, handler, source, aggregate, ready_at)
    SELECT tenant_id, handler, source, aggregate, clock_timestamp() FROM received
    GROUP BY tenant_id, handler, source, aggregate ORDER BY tenant_id, handler, source, aggregate
    ON CONFLICT (tenant_id, handler, source, aggregate) DO UPDATE SET ready_at = excluded.ready_at
      WHERE NOT h.parked AND h.attempts = 0
  )
  SELECT count(*) FROM received
$$;

-- Leases aggregates whose next event may be handled by one of the handlers: a tenant has at most so many at a time, those under way ("running": tenant → how
-- many) included; whoever has the fewest is first. Handlers that are being rebuilt for a tenant are asked again later. What a process left behind when it died ("abandoned") is asked for by itself. "event" is the next one, where
-- this statement could see it: what another process committed at this very moment it may not see.
DROP FUNCTION IF EXISTS $S.claim(text[], boolean, integer, integer, jsonb, interval); -- its columns may be an earlier version's
CREATE FUNCTION $S.claim(handlers text[], abandoned boolean, per_tenant integer, most integer, running jsonb, lease interval)
RETURNS TABLE (tenant_id uuid, handler text, source text, aggregate text, attempts integer, leased_until timestamptz, handled bigint, event jsonb, more boolean) LANGUAGE sql ${byIndex} AS $$
  WITH RECURSIVE walk AS (
    (SELECT h.tenant_id FROM $S.inbox_head h WHERE h.ready_at IS NOT NULL ORDER BY h.tenant_id LIMIT 1)
    UNION ALL
    SELECT (SELECT h.tenant_id FROM $S.inbox_head h WHERE h.ready_at IS NOT NULL AND h.tenant_id > t.tenant_id ORDER BY h.tenant_id LIMIT 1)
    FROM walk t WHERE t.tenant_id IS NOT NULL
  ), tenants AS MATERIALIZED (
    SELECT tenant_id, coalesce((running ->> tenant_id::text)::integer, 0) AS running FROM walk WHERE tenant_id IS NOT NULL
  ), ready AS (
    SELECT h.*, t.running + row_number() OVER (PARTITION BY h.tenant_id ORDER BY h.ready_at) AS turn
    FROM tenants t CROSS JOIN LATERAL (
      SELECT h.tenant_id, h.handler, h.source, h.aggregate, h.ready_at FROM $S.inbox_head h
      WHERE h.tenant_id = t.tenant_id AND h.ready_at <= clock_timestamp() AND (h.handler = ANY (handlers)) IS TRUE -- not by the key
        AND CASE WHEN abandoned THEN h.leased_until < clock_timestamp() ELSE h.leased_until IS NULL END
      ORDER BY h.ready_at LIMIT greatest(0, least(per_tenant - t.running, greatest(100, most / (SELECT count(*) FROM tenants)))) FOR UPDATE SKIP LOCKED
    ) h
  ), chosen AS MATERIALIZED (
    SELECT *, pg_try_advisory_xact_lock_shared(${handlerKey('handler', 'tenant_id')}) AS free
    FROM (SELECT * FROM ready ORDER BY turn, random() LIMIT most) c
  ), deferred AS (
    UPDATE $S.inbox_head h SET ready_at = clock_timestamp() + interval '100 ms'
    FROM chosen c WHERE h.tenant_id = c.tenant_id AND h.handler = c.handler AND h.source = c.source AND h.aggregate = c.aggregate AND NOT c.free
  ), leased AS (
    UPDATE $S.inbox_head h SET leased_until = clock_timestamp() + lease, attempts = h.attempts + 1
    FROM chosen c WHERE h.tenant_id = c.tenant_id AND h.handler = c.handler AND h.source = c.source AND h.aggregate = c.aggregate AND c.free
    RETURNING h.tenant_id, h.handler, h.source, h.aggregate, h.attempts, h.leased_until, h.handled
  )
  SELECT h.*, i.event, i.more FROM leased h LEFT JOIN LATERAL (
    SELECT to_jsonb(i) AS event, lead(i.id) OVER (ORDER BY i.revision) IS NOT NULL AS more FROM (
      SELECT ${waiting} FROM $S.inbox i
      WHERE i.tenant_id = h.tenant_id AND i.handler = h.handler AND i.source = h.source AND i.aggregate = h.aggregate
        AND i.status IN ('pending', 'dead') AND i.revision > h.handled ORDER BY i.revision LIMIT 2
    ) i LIMIT 1
  ) i ON true
$$;

-- The next events of leased aggregates, locked: in the handler's transaction, so that whoever comes second waits and then finds nothing.
CREATE OR REPLACE FUNCTION $S.take(for_handler text, heads jsonb, most integer)
RETURNS TABLE (event jsonb, handled bigint) LANGUAGE sql ${byIndex} AS $$
  SELECT to_jsonb(i), h.handled FROM jsonb_to_recordset(heads) AS g(source text, aggregate text)
  CROSS JOIN LATERAL (
    SELECT h.handled FROM $S.inbox_head h
    WHERE h.tenant_id = app.tid() AND h.handler = for_handler AND h.source = g.source AND h.aggregate = g.aggregate LIMIT 1
  ) h
  CROSS JOIN LATERAL (
    SELECT ${waiting} FROM $S.inbox i
    WHERE i.tenant_id = app.tid() AND i.handler = for_handler AND i.source = g.source AND i.aggregate = g.aggregate AND i.status IN ('pending', 'dead')
    ORDER BY i.revision LIMIT most FOR UPDATE
  ) i
$$;

-- Notes that events were handled and hands their aggregates back; fails when one was handled already, or when the handler is being rebuilt for this tenant.
-- "held": the revision for which an earlier one is missing, and until when to wait for it.
CREATE OR REPLACE FUNCTION $S.settle(by_handler text, heads jsonb, ids uuid[]) RETURNS bigint LANGUAGE plpgsql ${byIndex} AS $$
DECLARE
  settled bigint;
BEGIN
  IF NOT pg_try_advisory_xact_lock_shared(${handlerKey('by_handler', 'app.tid()')}) THEN
    RAISE EXCEPTION 'the handler is being rebuilt' USING ERRCODE = '${overtaken}';
  END IF;
  -- A statement of its own: what "receive" adds to these aggregates meanwhile is waited for, and seen by the next one.
  PERFORM FROM (SELECT * FROM jsonb_to_recordset(heads) AS g(source text, aggregate text) ORDER BY source, aggregate) g
    CROSS JOIN LATERAL (SELECT FROM $S.inbox_head h
      WHERE h.tenant_id = app.tid() AND h.handler = by_handler AND h.source = g.source AND h.aggregate = g.aggregate FOR UPDATE) h;
  UPDATE $S.inbox SET status = 'done', data = NULL
    WHERE tenant_id = app.tid() AND handler = by_handler AND id = ANY (ids) AND status <> ALL ('{done,dead,discarded}'); -- by the key
  GET DIAGNOSTICS settled = ROW_COUNT;
  IF settled <> cardinality(ids) THEN
    RAISE EXCEPTION 'the event was handled by somebody else meanwhile' USING ERRCODE = '${overtaken}';
  END IF;
  INSERT INTO $S.inbox_head AS h (tenant_id, handler, source, aggregate, handled, ready_at)
    SELECT app.tid(), by_handler, g.source, g.aggregate, g.handled, (SELECT CASE WHEN i.revision >= g.held THEN g.ready_at ELSE clock_timestamp() END
        FROM $S.inbox i
        WHERE i.tenant_id = app.tid() AND i.handler = by_handler AND i.source = g.source AND i.aggregate = g.aggregate AND i.status = 'pending'
        ORDER BY i.revision LIMIT 1)
    FROM jsonb_to_recordset(heads) AS g(source text, aggregate text, handled bigint, held bigint, ready_at timestamptz)
    ON CONFLICT (tenant_id, handler, source, aggregate) DO UPDATE SET handled = greatest(h.handled, excluded.handled), attempts = 0,
      leased_until = NULL, ready_at = excluded.ready_at;
  RETURN settled;
END $$;

-- Notes a failure at the next event of a leased aggregate: it is tried again at that time, or never (null): then it is dead and its aggregate parked. Nothing
-- happens when the lease is over: the event was handled after all, or is somebody else's. While the handler is being rebuilt for the tenant no failure counts: it may
-- have waited for the rebuild's own rows.
CREATE OR REPLACE FUNCTION $S.fail(for_tenant uuid, at_handler text, from_source text, at_aggregate text, lease timestamptz, tried integer, failure text, again_at timestamptz)
RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
  IF NOT pg_try_advisory_xact_lock_shared(${handlerKey('at_handler', 'for_tenant')}) THEN
    UPDATE $S.inbox_head h SET leased_until = NULL, attempts = tried - 1, ready_at = clock_timestamp() + interval '100 ms'
      WHERE h.tenant_id = for_tenant AND h.handler = at_handler AND h.source = from_source AND h.aggregate = at_aggregate AND h.leased_until = lease;
    RETURN false;
  END IF;
  UPDATE $S.inbox_head h SET leased_until = NULL, attempts = tried, ready_at = again_at, parked = again_at IS NULL
    WHERE h.tenant_id = for_tenant AND h.handler = at_handler AND h.source = from_source AND h.aggregate = at_aggregate AND h.leased_until = lease;
  IF NOT FOUND THEN
    RETURN false;
  END IF;
  UPDATE $S.inbox SET attempts = tried, error = failure, last_failed_at = clock_timestamp(),
      first_failed_at = coalesce(first_failed_at, clock_timestamp()), status = CASE WHEN again_at IS NULL THEN 'dead' ELSE status END
    WHERE tenant_id = for_tenant AND handler = at_handler AND id = (
      SELECT i.id FROM $S.inbox i WHERE i.tenant_id = for_tenant AND i.handler = at_handler AND i.source = from_source AND i.aggregate = at_aggregate
        AND i.status = 'pending' ORDER BY i.revision LIMIT 1);
  RETURN true;
END $$;

-- Lets a dead event be handled again, or counts it as handled without doing anything. The answer tells whether there was such an event.
CREATE OR REPLACE FUNCTION $S.revive(for_tenant uuid, at_handler text, event uuid, discard boolean) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
  dead $S.inbox;
BEGIN
  UPDATE $S.inbox i SET status = CASE WHEN discard THEN 'discarded' ELSE 'pending' END, attempts = 0
    WHERE i.tenant_id = for_tenant AND i.handler = at_handler AND i.id = event AND i.status = 'dead' RETURNING * INTO dead;
  IF dead.id IS NULL THEN
    RETURN false;
  END IF;
  UPDATE $S.inbox_head h SET parked = false, attempts = 0, ready_at = clock_timestamp(),
      handled = CASE WHEN discard THEN greatest(h.handled, dead.revision) ELSE h.handled END
    WHERE h.tenant_id = for_tenant AND h.handler = at_handler AND h.source = dead.source AND h.aggregate = dead.aggregate;
  RETURN true;
END $$;

-- Begins to build again what a handler has made of a tenant's events, in a transaction: waits until it settles none, and keeps it from settling any. Nobody waits for it:
-- see "settle".
CREATE OR REPLACE FUNCTION $S.begin_rebuild(of_handler text) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
  PERFORM pg_advisory_xact_lock(${handlerKey('of_handler', 'app.tid()')});
  RETURN true;
END $$;

-- Notes, at the end of that transaction, that these events were handled. What came meanwhile, and was not among them, is handled as usual.
CREATE OR REPLACE FUNCTION $S.note_rebuilt(by_handler text, events jsonb) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
  noted bigint;
BEGIN
  INSERT INTO $S.inbox AS i (tenant_id, handler, id, source, aggregate, revision, after, type, version, time, traceparent, status)
    SELECT app.tid(), by_handler, e.id, e.source, e.aggregate, e.revision, e.after, e.type, e.version, e.time, e.traceparent, 'done'
    FROM jsonb_to_recordset(events) AS e(id uuid, source text, aggregate text, revision bigint, after bigint, type text, version integer, time timestamptz,
      traceparent text)
    ORDER BY e.id
    ON CONFLICT (tenant_id, handler, id) DO UPDATE SET status = 'done', data = NULL WHERE i.status IN ('pending', 'dead');
  GET DIAGNOSTICS noted = ROW_COUNT;
  INSERT INTO $S.inbox_head AS h (tenant_id, handler, source, aggregate, handled)
    SELECT app.tid(), by_handler, e.source, e.aggregate, max(e.revision)
    FROM jsonb_to_recordset(events) AS e(source text, aggregate text, revision bigint) GROUP BY e.source, e.aggregate ORDER BY e.source, e.aggregate
    ON CONFLICT (tenant_id, handler, source, aggregate) DO UPDATE SET handled = greatest(h.handled, excluded.handled), attempts = 0,
      (parked, ready_at) = (SELECT bool_or(w.status = 'dead') IS TRUE, CASE WHEN bool_and(w.status = 'pending') THEN clock_timestamp() ELSE h.ready_at END
        FROM $S.inbox w WHERE w.tenant_id = app.tid() AND w.handler = by_handler AND w.source = h.source AND w.aggregate = h.aggregate
          AND w.status IN ('pending', 'dead'));
  RETURN noted;
END $$;

REVOKE ALL ON FUNCTION $S.emit(jsonb), $S.outbox_next(integer), $S.receive(jsonb), $S.claim(text[], boolean, integer, integer, jsonb, interval), $S.take(text, jsonb, integer),
  $S.settle(text, jsonb, uuid[]), $S.fail(uuid, text, text, text, timestamptz, integer, text, timestamptz), $S.revive(uuid, text, uuid, boolean), $S.begin_rebuild(text), $S.note_rebuilt(text, jsonb) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION $S.emit(jsonb), $S.take(text, jsonb, integer), $S.settle(text, jsonb, uuid[]), $S.begin_rebuild(text), $S.note_rebuilt(text, jsonb) TO $SERVING;
GRANT EXECUTE ON FUNCTION $S.outbox_next(integer), $S.receive(jsonb), $S.claim(text[], boolean, integer, integer, jsonb, interval),
  $S.fail(uuid, text, text, text, timestamptz, integer, text, timestamptz), $S.revive(uuid, text, uuid, boolean) TO $SYSTEM;
`

/** The tables by which the PostgreSQL transport carries events between domains, in a schema and with a role of their own. Can run again. */
export async function installTransport(client: Client, role: string): Promise<void> {
  await client.query(`
    CREATE SCHEMA IF NOT EXISTS events;
    CREATE TABLE IF NOT EXISTS events.source (
      source text PRIMARY KEY,
      filled_at timestamptz NOT NULL DEFAULT now() -- when its history was published here
    );
    CREATE TABLE IF NOT EXISTS events.subscription (
      source text NOT NULL,
      consumer text NOT NULL,
      seen_at timestamptz NOT NULL DEFAULT now(),
      PRIMARY KEY (source, consumer)
    );
    CREATE TABLE IF NOT EXISTS events.delivery (
      tenant_id uuid NOT NULL,
      consumer text NOT NULL,
      position bigint GENERATED ALWAYS AS IDENTITY,
      id uuid NOT NULL,
      body text NOT NULL,
      signature text NOT NULL,
      PRIMARY KEY (tenant_id, consumer, position)
    ) WITH (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0);
    REVOKE ALL ON SCHEMA events FROM PUBLIC;
    GRANT CONNECT ON DATABASE ${quote(client.database!)} TO ${quote(role)};
    GRANT USAGE ON SCHEMA events TO ${quote(role)};
    GRANT SELECT, INSERT, UPDATE, DELETE ON events.source, events.subscription, events.delivery TO ${quote(role)}`)
}
