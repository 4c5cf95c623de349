/**
 * Schema `app`: what every domain's tables, and its migrations, rely on. Re-applied by each provisioning, so every
 * statement here can run again.
 *
 * The policy compares with `app.tid()`, which PostgreSQL inlines: the planner sees the tenant, and a connection without
 * one gets an error (42704, or 22P02 when an earlier transaction had one), never an empty answer.
 */
export const APP_SCHEMA = `
CREATE SCHEMA IF NOT EXISTS app;

CREATE TABLE IF NOT EXISTS app.domain (
  name text PRIMARY KEY,
  serving_role name NOT NULL,
  system_role name NOT NULL,
  definer_role name NOT NULL
);

-- Moves of domains that this database takes part in, until what they left behind is purged.
CREATE TABLE IF NOT EXISTS app.move (
  domain text PRIMARY KEY,
  id uuid NOT NULL,
  part text NOT NULL CHECK (part IN ('from', 'to')),
  other text NOT NULL, -- the other database's URL, without user and password
  step text NOT NULL,
  changed_at timestamptz(3) NOT NULL DEFAULT clock_timestamp()
);

-- Written on one side of a stream and seen on the other, behind everything that was committed before it.
CREATE TABLE IF NOT EXISTS app.move_mark (
  move uuid,
  direction text,
  mark bigint NOT NULL,
  PRIMARY KEY (move, direction)
);

-- No missing_ok: a forgotten tenant is an error. No SET clause: it would prevent inlining.
CREATE OR REPLACE FUNCTION app.tid() RETURNS uuid LANGUAGE sql STABLE PARALLEL SAFE
AS $$ SELECT current_setting('app.tenant_id')::uuid $$;

-- SET LOCAL rather than set_config(): Citus passes on only the former. The setting of an ended transaction reads ''.
CREATE OR REPLACE FUNCTION app.enter(tenant uuid) RETURNS uuid LANGUAGE plpgsql
AS $$
DECLARE
  present text := nullif(current_setting('app.tenant_id', true), '');
BEGIN
  IF tenant IS NULL THEN
    RAISE EXCEPTION 'app.enter: no tenant was given' USING ERRCODE = 'OF001';
  ELSIF present IS NULL THEN
    EXECUTE format('SET LOCAL app.tenant_id = %L', tenant);
  ELSIF present::uuid <> tenant THEN
    RAISE EXCEPTION 'app.enter: this transaction already belongs to another tenant' USING ERRCODE = 'OF001';
  END IF;
  RETURN tenant;
END $$;

CREATE OR REPLACE FUNCTION app.domain_of(object_schema regnamespace) RETURNS app.domain LANGUAGE plpgsql STABLE
AS $$
DECLARE
  found_domain app.domain;
BEGIN
  SELECT * INTO found_domain FROM app.domain WHERE quote_ident(name) = object_schema::text;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'schema % is no domain of this database: it has no row in app.domain', object_schema;
  END IF;
  RETURN found_domain;
END $$;

-- Migrations call this for each new table with a tenant_id.
CREATE OR REPLACE FUNCTION app.tenant_table(tbl regclass, append_only boolean DEFAULT false) RETURNS void LANGUAGE plpgsql
AS $$
DECLARE
  domain app.domain := app.domain_of((SELECT relnamespace::regnamespace FROM pg_class WHERE oid = tbl));
  rights text := CASE WHEN append_only THEN 'SELECT, INSERT' ELSE 'SELECT, INSERT, UPDATE, DELETE' END;
BEGIN
  SET LOCAL client_min_messages = warning;
  EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', tbl);
  EXECUTE format('ALTER TABLE %s FORCE ROW LEVEL SECURITY', tbl);
  EXECUTE format('DROP POLICY IF EXISTS tenant ON %s', tbl);
  EXECUTE format('DROP POLICY IF EXISTS system ON %s', tbl);
  EXECUTE format('CREATE POLICY tenant ON %s FOR ALL TO %I USING (tenant_id = app.tid()) WITH CHECK (tenant_id = app.tid())',
    tbl, domain.serving_role);
  EXECUTE format('CREATE POLICY system ON %s FOR ALL TO %I USING (true) WITH CHECK (true)', tbl, domain.system_role);
  EXECUTE format('REVOKE ALL ON %s FROM PUBLIC, %I, %I', tbl, domain.serving_role, domain.system_role);
  EXECUTE format('GRANT %s ON %s TO %I, %I', rights, tbl, domain.serving_role, domain.system_role);
END $$;

-- Migrations call this for each table that has no tenant on purpose.
CREATE OR REPLACE FUNCTION app.global_table(tbl regclass, reason text) RETURNS void LANGUAGE plpgsql
AS $$
DECLARE
  domain app.domain := app.domain_of((SELECT relnamespace::regnamespace FROM pg_class WHERE oid = tbl));
BEGIN
  EXECUTE format('REVOKE ALL ON %s FROM PUBLIC', tbl);
  EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %s TO %I, %I', tbl, domain.serving_role, domain.system_role);
  EXECUTE format('COMMENT ON TABLE %s IS %L', tbl, 'global: ' || reason);
END $$;

-- A read before the tenant is known: the function runs as a role that cannot log in and may only read the named tables.
-- Migrations call this after CREATE FUNCTION … SECURITY DEFINER.
CREATE OR REPLACE FUNCTION app.definer_function(fn regprocedure, VARIADIC tables regclass[]) RETURNS void LANGUAGE plpgsql
AS $$
DECLARE
  fn_schema regnamespace := (SELECT pronamespace::regnamespace FROM pg_proc WHERE oid = fn);
  domain app.domain := app.domain_of(fn_schema);
  tbl regclass;
BEGIN
  SET LOCAL client_min_messages = warning;
  FOREACH tbl IN ARRAY tables LOOP
    EXECUTE format('GRANT SELECT ON %s TO %I', tbl, domain.definer_role);
    IF (SELECT relrowsecurity FROM pg_class WHERE oid = tbl) THEN
      EXECUTE format('DROP POLICY IF EXISTS definer ON %s', tbl);
      EXECUTE format('CREATE POLICY definer ON %s FOR SELECT TO %I USING (true)', tbl, domain.definer_role);
    END IF;
  END LOOP;
  EXECUTE format('ALTER FUNCTION %s SECURITY DEFINER SET search_path = pg_catalog, pg_temp', fn);
  EXECUTE format('REVOKE ALL ON FUNCTION %s FROM PUBLIC', fn);
  EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO %I', fn, domain.serving_role);
  -- An owner needs CREATE on the schema, at the moment when it becomes the owner.
  EXECUTE format('GRANT CREATE ON SCHEMA %s TO %I', fn_schema, domain.definer_role);
  EXECUTE format('ALTER FUNCTION %s OWNER TO %I', fn, domain.definer_role);
  EXECUTE format('REVOKE CREATE ON SCHEMA %s FROM %I', fn_schema, domain.definer_role);
END $$;

REVOKE ALL ON ALL TABLES IN SCHEMA app FROM PUBLIC;
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA app FROM PUBLIC;
`
