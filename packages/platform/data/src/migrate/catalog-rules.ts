/**
 * What must be true of a domain's schema in the catalog of the database, one query for each rule: a row is a violation.
 * They run with an empty search_path, so that PostgreSQL prints every name in full.
 */

/** One rule. Its query returns `object` and, if the sentence needs it, `detail`. */
export interface CatalogRule {
  readonly rule: string
  readonly sql: string
  readonly message: (object: string, detail: string) => string
}

/** What every rule's query can draw from. `$1` … `$6`: schema, global tables, definer functions, serving, system, definer role. */
export const PRELUDE = `
WITH domain AS (
  SELECT $1::name AS schema, to_regnamespace(quote_ident($1)) AS namespace, $2::text[] AS globals, $3::text[] AS definer_functions
), roles AS (
  SELECT r.*, duty FROM (VALUES ($4::name, 'serving'), ($5::name, 'system'), ($6::name, 'definer')) AS given (name, duty)
  JOIN pg_roles r ON r.rolname = given.name
), relations AS (
  SELECT c.*, c.oid AS relation, format('%I.%I', schema, relname) AS object, relname = ANY (globals) AS global
  FROM domain JOIN pg_class c ON relnamespace = namespace AND relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
  WHERE NOT EXISTS (SELECT FROM pg_depend WHERE classid = 'pg_class'::regclass AND objid = c.oid AND deptype = 'e')
), tables AS (
  SELECT relations.*, attnum AS tenant, atttypid AS tenant_type, attnotnull AS tenant_required
  FROM relations LEFT JOIN pg_attribute ON attrelid = relation AND attname = 'tenant_id' AND NOT attisdropped
  WHERE relkind IN ('r', 'p') AND relname <> '_prisma_migrations'
), tenant_tables AS (
  SELECT * FROM tables WHERE NOT global AND tenant IS NOT NULL
), functions AS (
  SELECT p.*, p.oid AS function, p.oid::regprocedure::text AS object,
    proname = ANY (definer_functions) OR p.oid::regprocedure::text = ANY (definer_functions)
      OR format('%s(%s)', proname, pg_get_function_identity_arguments(p.oid)) = ANY (definer_functions) AS listed
  FROM domain JOIN pg_proc p ON pronamespace = namespace
  WHERE NOT EXISTS (SELECT FROM pg_depend WHERE classid = 'pg_proc'::regclass AND objid = p.oid AND deptype = 'e')
)`

const indexes = `SELECT object, index.relname AS detail
  FROM tenant_tables JOIN pg_index ON indrelid = relation JOIN pg_class index ON index.oid = indexrelid
  WHERE indkey[0] <> tenant`

const grantee = (acl: string) => `CASE ${acl}.grantee WHEN 0 THEN 'PUBLIC' ELSE pg_get_userbyid(${acl}.grantee) END`

const roleNamed = (acl: string) => `(SELECT duty FROM roles WHERE roles.oid = ${acl}.grantee)`

export const TABLE_RULES: readonly CatalogRule[] = [
  {
    rule: 'unclassified-table',
    sql: 'SELECT object FROM tables WHERE tenant IS NULL AND NOT global',
    message: (table) =>
      `${table} has no tenant_id and isn't listed in globalTables; give it one, or list it with the reason why it has none`,
  },
  {
    rule: 'global-table-with-tenant',
    sql: 'SELECT object FROM tables WHERE tenant IS NOT NULL AND global',
    message: (table) => `${table} is listed in globalTables but has a tenant_id; take it off the list`,
  },
  {
    rule: 'global-table-missing',
    sql: `SELECT format('%I.%I', schema, listed) AS object FROM domain, unnest(globals) AS listed
      WHERE NOT EXISTS (SELECT FROM tables WHERE relname = listed)`,
    message: (table) => `${table} is listed in globalTables but doesn't exist; take it off the list`,
  },
  {
    rule: 'tenant-type',
    sql: `SELECT object, format_type(tenant_type, NULL) AS detail FROM tenant_tables WHERE tenant_type <> 'uuid'::regtype`,
    message: (table, type) => `${table}: tenant_id is of type ${type}; make it uuid`,
  },
  {
    rule: 'tenant-nullable',
    sql: 'SELECT object FROM tenant_tables WHERE NOT tenant_required',
    message: (table) => `${table}: tenant_id may be null; make it NOT NULL`,
  },
  {
    rule: 'primary-key',
    sql: `${indexes} AND indisprimary UNION ALL
      SELECT object, NULL FROM tenant_tables WHERE NOT EXISTS (SELECT FROM pg_index WHERE indrelid = relation AND indisprimary)`,
    message: (table, key) =>
      key
        ? `${table}: primary key ${key} doesn't begin with tenant_id`
        : `${table} has no primary key; give it one that begins with tenant_id`,
  },
  {
    rule: 'unique',
    sql: `${indexes} AND indisunique AND NOT indisprimary`,
    message: (table, index) =>
      `${table}: unique ${index} doesn't begin with tenant_id; it would tell a tenant what another one has`,
  },
  {
    rule: 'index',
    sql: `${indexes} AND NOT indisunique`,
    message: (table, index) =>
      `${table}: index ${index} doesn't begin with tenant_id; one tenant's rows would slow down another's search`,
  },
  {
    rule: 'foreign-key',
    sql: `SELECT object, conname AS detail FROM tenant_tables JOIN pg_constraint ON conrelid = relation AND contype = 'f'
      LEFT JOIN pg_attribute target ON attrelid = confrelid AND attname = 'tenant_id' AND NOT attisdropped
      WHERE conkey[1] <> tenant OR confkey[1] IS DISTINCT FROM target.attnum
      UNION ALL
      SELECT tables.object, conname FROM tables JOIN pg_constraint ON conrelid = tables.relation AND contype = 'f'
      JOIN tenant_tables target ON confrelid = target.relation WHERE tables.global`,
    message: (table, key) =>
      `${table}: foreign key ${key} doesn't pair tenant_id with tenant_id first; it would accept another tenant's row`,
  },
  {
    rule: 'foreign-key-across-domains',
    sql: `SELECT object, conname AS detail FROM tables JOIN pg_constraint ON conrelid = relation AND contype = 'f'
      JOIN pg_class target ON target.oid = confrelid WHERE target.relnamespace <> tables.relnamespace`,
    message: (table, key) =>
      `${table}: foreign key ${key} refers to another schema; keep the id and ask the other domain by its contract`,
  },
  {
    rule: 'row-security-disabled',
    sql: 'SELECT object FROM tenant_tables WHERE NOT relrowsecurity',
    message: (table) => `${table}: row security is not enabled; call app.tenant_table in a migration`,
  },
  {
    rule: 'row-security-not-forced',
    sql: 'SELECT object FROM tenant_tables WHERE NOT relforcerowsecurity',
    message: (table) =>
      `${table}: row security is not forced, its owner would see every tenant; call app.tenant_table in a migration`,
  },
  {
    rule: 'policy-missing',
    sql: `SELECT object, expected AS detail FROM tenant_tables, unnest(ARRAY['tenant', 'system']) AS expected
      WHERE NOT EXISTS (SELECT FROM pg_policy WHERE polrelid = relation AND polname = expected)`,
    message: (table, policy) => `${table}: policy ${policy} is missing; call app.tenant_table in a migration`,
  },
  {
    rule: 'policy-unexpected',
    sql: `SELECT object, polname AS detail FROM tenant_tables JOIN pg_policy ON polrelid = relation CROSS JOIN domain
      WHERE polname NOT IN ('tenant', 'system') AND (polname <> 'definer' OR definer_functions = '{}')`,
    message: (table, policy) => `${table}: policy ${policy} is not one of ours, and policies add up; drop it`,
  },
  {
    rule: 'policy-changed',
    sql: `SELECT object, polname AS detail FROM tenant_tables JOIN pg_policy ON polrelid = relation
      JOIN roles ON (polname, duty) IN (('tenant', 'serving'), ('system', 'system'), ('definer', 'definer'))
      WHERE polroles <> ARRAY[roles.oid] OR NOT polpermissive OR polcmd <> CASE duty WHEN 'definer' THEN 'r' ELSE '*' END
        OR pg_get_expr(polqual, polrelid) <> CASE duty WHEN 'serving' THEN '(tenant_id = app.tid())' ELSE 'true' END
        OR pg_get_expr(polwithcheck, polrelid)
          IS DISTINCT FROM CASE duty WHEN 'serving' THEN '(tenant_id = app.tid())' WHEN 'system' THEN 'true' END`,
    message: (table, policy) =>
      `${table}: policy ${policy} differs from what app.tenant_table and app.definer_function write; call them in a migration`,
  },
  {
    rule: 'trigger',
    sql: `SELECT object, tgname AS detail FROM tenant_tables JOIN pg_trigger ON tgrelid = relation AND NOT tgisinternal
      UNION ALL SELECT object, rulename FROM tenant_tables JOIN pg_rewrite ON ev_class = relation`,
    message: (table, trigger) =>
      `${table}: ${trigger} is a trigger or rule, which a distributed table can't have; do its work in a use case`,
  },
  {
    rule: 'identity-column',
    sql: `SELECT object, attname AS detail FROM tenant_tables JOIN pg_attribute ON attrelid = relation AND attidentity <> ''`,
    message: (table, column) =>
      `${table}: ${column} is an identity column, shared by all tenants; use a uuid or a counter in a tenant table`,
  },
  {
    rule: 'sequence',
    sql: `SELECT DISTINCT object, attname AS detail FROM tenant_tables
      JOIN pg_attrdef ON adrelid = relation JOIN pg_attribute ON attrelid = relation AND attnum = adnum
      JOIN pg_depend d ON d.classid = 'pg_attrdef'::regclass AND d.objid = pg_attrdef.oid AND d.refclassid = 'pg_class'::regclass
      JOIN pg_class sequence ON sequence.oid = d.refobjid AND sequence.relkind = 'S'`,
    message: (table, column) =>
      `${table}: ${column} draws from a sequence, shared by all tenants; use a uuid or a counter in a tenant table`,
  },
]

export const RIGHTS_RULES: readonly CatalogRule[] = [
  {
    rule: 'view',
    sql: `SELECT object FROM relations WHERE relkind = 'v' AND coalesce(
      (SELECT option_value FROM pg_options_to_table(reloptions) WHERE option_name = 'security_invoker'), 'false')::boolean IS NOT TRUE`,
    message: (view) => `${view} is a view that reads as its owner; ALTER VIEW ${view} SET (security_invoker = true)`,
  },
  {
    rule: 'unprotected-relation',
    sql: `SELECT object, CASE relkind WHEN 'm' THEN 'a materialized view' ELSE 'a foreign table' END AS detail
      FROM relations WHERE relkind IN ('m', 'f')`,
    message: (relation, kind) => `${relation} is ${kind}, which row security doesn't protect; use a tenant table`,
  },
  {
    rule: 'owner',
    sql: `SELECT object, rolname AS detail FROM relations JOIN roles ON roles.oid = relowner
      UNION ALL SELECT object, rolname FROM functions JOIN roles ON roles.oid = proowner WHERE NOT (duty = 'definer' AND prosecdef)
      UNION ALL SELECT format('%I', schema), rolname FROM domain JOIN pg_namespace n ON n.oid = namespace JOIN roles ON roles.oid = nspowner`,
    message: (object, role) =>
      `${object} is owned by ${role}, which could switch its protection off; it must belong to the administrator`,
  },
  {
    rule: 'grant',
    sql: `SELECT object, format('%s to %s', string_agg(privilege_type, ', ' ORDER BY privilege_type), grantee) AS detail FROM (
        SELECT object, privilege_type || CASE WHEN is_grantable THEN ' WITH GRANT OPTION' ELSE '' END AS privilege_type, ${grantee('acl')} AS grantee
        FROM relations CROSS JOIN aclexplode(relacl) AS acl
        WHERE acl.grantee <> relowner AND (is_grantable OR relname = '_prisma_migrations' OR CASE
          WHEN ${roleNamed('acl')} IN ('serving', 'system') THEN privilege_type NOT IN ('SELECT', 'INSERT', 'UPDATE', 'DELETE', 'USAGE')
          WHEN ${roleNamed('acl')} = 'definer' THEN privilege_type <> 'SELECT'
          ELSE true END)
      ) excess GROUP BY object, grantee`,
    message: (object, rights) => `${object} is granted beyond what it may be: ${rights}; revoke it`,
  },
  {
    rule: 'column-grant',
    sql: `SELECT object, format('%s on %s to %s', privilege_type, attname, ${grantee('acl')}) AS detail
      FROM relations JOIN pg_attribute ON attrelid = relation CROSS JOIN aclexplode(attacl) AS acl WHERE acl.grantee <> relowner`,
    message: (table, right) => `${table} is granted by column: ${right}; revoke it, rights are given on whole tables`,
  },
  {
    rule: 'schema-grant',
    sql: `SELECT format('%I', schema) AS object, format('%s to %s', privilege_type, ${grantee('acl')}) AS detail
      FROM domain JOIN pg_namespace n ON n.oid = namespace CROSS JOIN aclexplode(nspacl) AS acl
      WHERE acl.grantee <> nspowner AND (is_grantable OR privilege_type <> 'USAGE' OR ${roleNamed('acl')} IS NULL)`,
    message: (schema, right) => `Schema ${schema} is granted beyond what it may be: ${right}; revoke it`,
  },
  {
    rule: 'reach',
    sql: `WITH elsewhere AS (
        SELECT * FROM domain CROSS JOIN LATERAL (
          SELECT oid AS other, nspname, nspacl FROM pg_namespace WHERE oid <> namespace AND nspname !~ '^pg_|^information_schema$'
        ) others
      ), role AS (SELECT oid AS role, rolname FROM roles WHERE NOT rolsuper)
      SELECT format('%I', nspname) AS object, ${grantee('acl')} AS detail
      FROM elsewhere CROSS JOIN aclexplode(nspacl) AS acl WHERE nspname <> 'app' AND ${roleNamed('acl')} IS NOT NULL
      UNION ALL
      SELECT format('%I.%I', nspname, relname), rolname FROM elsewhere JOIN pg_class c ON relnamespace = other AND relkind IN ('r', 'p', 'v', 'm', 'f') CROSS JOIN role
      WHERE has_schema_privilege(role, other, 'USAGE') AND has_table_privilege(role, c.oid, 'SELECT, INSERT, UPDATE, DELETE, TRUNCATE')
        AND NOT EXISTS (SELECT FROM pg_depend WHERE classid = 'pg_class'::regclass AND objid = c.oid AND deptype = 'e')
        AND NOT (nspname = 'app' AND relname = 'placement_' || schema)
      UNION ALL
      SELECT p.oid::regprocedure::text, rolname FROM elsewhere JOIN pg_proc p ON pronamespace = other AND prosecdef CROSS JOIN role
      WHERE has_schema_privilege(role, other, 'USAGE') AND has_function_privilege(role, p.oid, 'EXECUTE')
        AND NOT EXISTS (SELECT FROM pg_depend WHERE classid = 'pg_proc'::regclass AND objid = p.oid AND deptype = 'e')`,
    message: (object, role) => `${object} is outside of the domain, but its role ${role} can reach it; revoke that`,
  },
  {
    rule: 'database-grant',
    sql: `SELECT format('%I', datname) AS object, format('%s to %s', privilege_type, ${grantee('acl')}) AS detail
      FROM pg_database CROSS JOIN aclexplode(coalesce(datacl, acldefault('d', datdba))) AS acl
      WHERE datname = current_database() AND (acl.grantee = 0 OR ${roleNamed('acl')} IS NOT NULL AND privilege_type <> 'CONNECT')`,
    message: (database, right) => `Database ${database} is granted beyond what it may be: ${right}; revoke it`,
  },
  {
    rule: 'default-privileges',
    sql: `SELECT format('%I', schema) AS object, format('%s to %s', string_agg(privilege_type, ', '), ${grantee('acl')}) AS detail
      FROM domain JOIN pg_default_acl ON defaclnamespace IN (namespace, 0) CROSS JOIN aclexplode(defaclacl) AS acl
      WHERE acl.grantee <> defaclrole AND defaclobjtype IN ('r', 'S', 'n') GROUP BY schema, acl.grantee`,
    message: (schema, right) =>
      `New objects of schema ${schema} would be granted by default: ${right}; ALTER DEFAULT PRIVILEGES to revoke it`,
  },
  {
    rule: 'definer-function-unlisted',
    sql: 'SELECT object FROM functions WHERE prosecdef AND NOT listed',
    message: (fn) =>
      `${fn} is SECURITY DEFINER and isn't listed in definerFunctions; list it with the reason, or make it SECURITY INVOKER`,
  },
  {
    rule: 'definer-function-missing',
    sql: `SELECT format('%I.%s', schema, name) AS object FROM domain, unnest(definer_functions) AS name
      WHERE NOT EXISTS (SELECT FROM functions WHERE listed AND prosecdef AND (proname = name OR object = name OR object LIKE '%.' || name))`,
    message: (fn) => `${fn} is listed in definerFunctions but is no SECURITY DEFINER function; take it off the list`,
  },
  {
    rule: 'definer-function-search-path',
    sql: `SELECT object FROM functions WHERE prosecdef AND NOT coalesce('search_path=pg_catalog, pg_temp' = ANY (proconfig), false)`,
    message: (fn) =>
      `${fn} is SECURITY DEFINER without a fixed search_path, its caller could slip objects under it; call app.definer_function in a migration`,
  },
  {
    rule: 'definer-function-owner',
    sql: `SELECT object, pg_get_userbyid(proowner) AS detail FROM functions
      WHERE prosecdef AND proowner NOT IN (SELECT oid FROM roles WHERE duty = 'definer')`,
    message: (fn, owner) =>
      `${fn} is SECURITY DEFINER and runs as ${owner}, which may do more than it needs; call app.definer_function in a migration`,
  },
  {
    rule: 'definer-function-grant',
    sql: `SELECT object, ${grantee('acl')} AS detail FROM functions CROSS JOIN aclexplode(coalesce(proacl, acldefault('f', proowner))) AS acl
      WHERE prosecdef AND acl.grantee <> proowner AND (is_grantable OR ${roleNamed('acl')} IS DISTINCT FROM 'serving')`,
    message: (fn, role) =>
      `${fn} is SECURITY DEFINER and may be called by ${role}; revoke it, the serving role alone calls it`,
  },
  {
    rule: 'role-attribute',
    sql: `SELECT format('%I', rolname) AS object, attribute AS detail FROM roles CROSS JOIN LATERAL (VALUES
        (rolsuper, 'SUPERUSER'), (rolbypassrls, 'BYPASSRLS'), (rolcreaterole, 'CREATEROLE'), (rolcreatedb, 'CREATEDB'),
        (rolreplication, 'REPLICATION'), (rolcanlogin AND duty = 'definer', 'LOGIN')) AS held (held, attribute) WHERE held`,
    message: (role, attribute) => `Role ${role} has ${attribute}; ALTER ROLE ${role} NO${attribute}`,
  },
  {
    rule: 'role-membership',
    sql: `SELECT format('%I', rolname) AS object, pg_get_userbyid(roleid) AS detail FROM roles JOIN pg_auth_members ON member = roles.oid`,
    message: (role, other) => `Role ${role} is a member of ${other} and may do what that one may; revoke it`,
  },
  {
    rule: 'role-setting',
    sql: `SELECT format('%I', rolname) AS object, setting AS detail
      FROM pg_db_role_setting CROSS JOIN unnest(setconfig) AS setting JOIN roles ON setrole IN (roles.oid, 0)
      WHERE setdatabase IN (0, (SELECT oid FROM pg_database WHERE datname = current_database()))
        AND (setting LIKE 'app.tenant_id=%' OR setting LIKE 'row_security=%')`,
    message: (role, setting) =>
      `Role ${role} starts every session with ${setting}: a forgotten tenant would go unnoticed; reset it`,
  },
]
