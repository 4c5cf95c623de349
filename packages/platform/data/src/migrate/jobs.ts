import type { Client } from 'pg'
import jobsPackage from 'pg-boss/package.json' with { type: 'json' }
import { quote } from './connection.ts'

/** Where pg-boss keeps what the clock starts. No domain may be called so. */
export const jobsSchema = 'jobs'

/** The version of its tables that this program works with. */
export const jobsVersion: number = jobsPackage.pgboss.schema

/**
 * Creates or upgrades the tables of pg-boss. They belong to `role`, which runs the jobs: pg-boss rebuilds its own indexes. Done here and not by whoever serves, so
 * that nobody's structure changes while it is in use. Outside of a transaction, since pg-boss' scripts are transactions of their own.
 */
export async function installJobs(client: Client, role: string): Promise<void> {
  const present = await versionOf(client)
  if (present !== undefined && present >= jobsVersion) return
  const { getConstructionPlans, getMigrationPlans } = await import('pg-boss')
  await client.query(`CREATE SCHEMA IF NOT EXISTS ${jobsSchema} AUTHORIZATION ${quote(role)}`)
  await client.query(`SET ROLE ${quote(role)}`)
  try {
    await client.query(
      present === undefined
        ? getConstructionPlans(jobsSchema, { createSchema: false })
        : getMigrationPlans(jobsSchema, present),
    )
  } catch (error) {
    await client.query('ROLLBACK')
    throw error
  } finally {
    await client.query('RESET ROLE')
  }
}

async function versionOf(client: Client): Promise<number | undefined> {
  const { rows } = await client.query(`SELECT to_regclass('${jobsSchema}.version') IS NOT NULL AS installed`)
  if (!rows[0].installed) return undefined
  const { rows: versions } = await client.query<{ version: number }>(`SELECT version FROM ${jobsSchema}.version`)
  return versions[0]?.version
}
