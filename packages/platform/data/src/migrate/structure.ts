/** The structure of a schema as text, to compare what the database has with what its migrations make. */
import type { Client } from 'pg'

/** An object of the schema, e.g. column `note` of table `order`; `name` is empty for the table itself. */
export interface StructureEntry {
  readonly kind: string
  readonly relation: string
  readonly name: string
  /** How PostgreSQL prints it. */
  readonly definition: string
}

const byRelation = `SELECT c.oid, c.relname, c.relkind, c.relowner, c.relacl, c.relrowsecurity, c.relforcerowsecurity, c.reloptions
  FROM pg_class c WHERE c.relnamespace = to_regnamespace(quote_ident($1)) AND c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
    AND c.relname <> '_prisma_migrations'
    AND NOT EXISTS (SELECT FROM pg_depend WHERE classid = 'pg_class'::regclass AND objid = c.oid AND deptype = 'e')`

const functions = `SELECT p.*, p.oid AS function FROM pg_proc p
  WHERE p.pronamespace = to_regnamespace(quote_ident($1)) AND p.prokind IN ('f', 'p')
    AND NOT EXISTS (SELECT FROM pg_depend WHERE classid = 'pg_proc'::regclass AND objid = p.oid AND deptype = 'e')`

const grants = (
  acl: string,
  owner: string,
) => `(SELECT string_agg(privilege_type || CASE WHEN is_grantable THEN '*' ELSE '' END
    || ' to ' || CASE grantee WHEN 0 THEN 'PUBLIC' ELSE pg_get_userbyid(grantee) END, ', '
    ORDER BY privilege_type, pg_get_userbyid(grantee)) FROM aclexplode(${acl}) WHERE grantee <> ${owner})`

const STRUCTURE = `
WITH relation AS (${byRelation}), function AS (${functions})
SELECT CASE relkind WHEN 'v' THEN 'view' WHEN 'm' THEN 'materialized view' WHEN 'f' THEN 'foreign table' WHEN 'S' THEN 'sequence' ELSE 'table' END AS kind,
  relname AS relation, '' AS name,
  concat_ws(', ', CASE WHEN relkind IN ('v', 'm') THEN pg_get_viewdef(oid) END, CASE WHEN relkind = 'v' THEN array_to_string(reloptions, ', ') END,
    CASE WHEN relkind IN ('r', 'p') THEN format('row security %s, %s', CASE WHEN relrowsecurity THEN 'enabled' ELSE 'disabled' END,
      CASE WHEN relforcerowsecurity THEN 'forced' ELSE 'not forced' END) END,
    'granted ' || coalesce(${grants('relacl', 'relowner')}, 'to nobody')) AS definition
FROM relation
UNION ALL
SELECT 'column', relname, attname, concat_ws(' ', format_type(atttypid, atttypmod), CASE WHEN attnotnull THEN 'NOT NULL' END,
  'DEFAULT ' || pg_get_expr(adbin, adrelid), 'IDENTITY ' || nullif(attidentity::text, ''), 'GENERATED ' || nullif(attgenerated::text, ''),
  'granted ' || ${grants('attacl', 'relowner')})
FROM relation JOIN pg_attribute ON attrelid = relation.oid AND attnum > 0 AND NOT attisdropped
LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum WHERE relkind IN ('r', 'p', 'f')
UNION ALL
SELECT 'constraint', relname, conname, pg_get_constraintdef(con.oid) || CASE WHEN convalidated THEN '' ELSE ' NOT VALID' END
FROM relation JOIN pg_constraint con ON conrelid = relation.oid AND contype <> 'n' AND contype <> 't'
UNION ALL
SELECT 'index', relation.relname, index.relname, pg_get_indexdef(indexrelid) || CASE WHEN indisvalid THEN '' ELSE ' (invalid)' END
FROM relation JOIN pg_index ON indrelid = relation.oid JOIN pg_class index ON index.oid = indexrelid
WHERE NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = indexrelid AND contype IN ('p', 'u', 'x'))
UNION ALL
SELECT 'policy', relname, polname, concat_ws(' ', CASE WHEN polpermissive THEN 'permissive' ELSE 'restrictive' END, 'for', polcmd::text,
  'to', (SELECT string_agg(CASE role WHEN 0 THEN 'PUBLIC' ELSE pg_get_userbyid(role) END, ', ' ORDER BY 1) FROM unnest(polroles) AS role),
  'using ' || pg_get_expr(polqual, polrelid), 'with check ' || pg_get_expr(polwithcheck, polrelid))
FROM relation JOIN pg_policy ON polrelid = relation.oid
UNION ALL
SELECT 'trigger', relname, tgname, pg_get_triggerdef(tg.oid) FROM relation JOIN pg_trigger tg ON tgrelid = relation.oid AND NOT tgisinternal
UNION ALL
SELECT 'function', '', format('%s(%s)', proname, pg_get_function_identity_arguments(function)), concat_ws('; ', pg_get_functiondef(function),
  CASE WHEN prosecdef THEN 'owned by ' || pg_get_userbyid(proowner) END,
  'granted ' || ${grants("coalesce(proacl, acldefault('f', proowner))", 'proowner')})
FROM function
UNION ALL
SELECT 'enum', '', typname, (SELECT string_agg(quote_literal(enumlabel), ', ' ORDER BY enumsortorder) FROM pg_enum WHERE enumtypid = t.oid)
FROM pg_type t WHERE typnamespace = to_regnamespace(quote_ident($1)) AND typtype = 'e'
UNION ALL
SELECT 'schema', '', nspname, 'granted ' || coalesce(${grants('nspacl', 'nspowner')}, 'to nobody')
FROM pg_namespace WHERE oid = to_regnamespace(quote_ident($1))`

/** Reads the structure of a schema. Changes the search path, so that every name outside `pg_catalog` is printed in full. */
export async function readStructure(client: Client, schema: string): Promise<StructureEntry[]> {
  await client.query("SET search_path = ''")
  const { rows } = await client.query<StructureEntry>(STRUCTURE, [schema])
  return rows
}

/** Where `actual` differs from `expected`, a line for each difference. */
export function differences(actual: readonly StructureEntry[], expected: readonly StructureEntry[]): string[] {
  const key = ({ kind, relation, name }: StructureEntry) => JSON.stringify([kind, relation, name])
  const title = ({ kind, relation, name }: StructureEntry) =>
    relation && name ? `${kind} ${name} of ${relation}` : `${kind} ${relation || name}`
  const isWhole = ({ relation, name }: StructureEntry) => !relation || !name
  const has = new Map(actual.map((entry) => [key(entry), entry]))
  const should = new Map(expected.map((entry) => [key(entry), entry]))
  const relations = (entries: readonly StructureEntry[]) =>
    new Set(entries.filter(isWhole).map(({ relation }) => relation))
  const [actualRelations, expectedRelations] = [relations(actual), relations(expected)]

  const lines: string[] = []
  for (const entry of expected) {
    const there = has.get(key(entry))
    // What a missing table would contain goes without saying.
    if (!there && (isWhole(entry) || actualRelations.has(entry.relation))) lines.push(`${title(entry)} is missing`)
    if (there && there.definition !== entry.definition) {
      const short = entry.kind !== 'function' && entry.kind !== 'view'
      lines.push(
        `${title(entry)} ${short ? `is "${there.definition}", not "${entry.definition}"` : 'has another definition'}`,
      )
    }
  }
  for (const entry of actual) {
    if (should.has(key(entry))) continue
    if (isWhole(entry) || expectedRelations.has(entry.relation))
      lines.push(`${title(entry)} exists, but no migration makes it`)
  }
  return lines.sort()
}
