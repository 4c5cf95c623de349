import { isUniqueViolation } from '@offshoot/data'
import { conflict } from '@offshoot/rpc'
import type { StorageBox } from './contract.ts'
import type { StorageBox as Row } from './generated/prisma/client.ts'

/** A row as the contract shows it. */
export function toStorageBox({ id, name, note, archived, createdAt }: Row): StorageBox {
  return { id: id as StorageBox['id'], name, note, archived, createdAt: createdAt.toISOString() }
}

/** Tells of a name that another one has, perhaps an archived one; whoever comes second learns it, however close the race. */
export function refuseTakenName(name: string | undefined) {
  return (error: unknown): never => {
    if (isUniqueViolation(error, 'name'))
      throw conflict('NAME_TAKEN', `Another storage box has the name ${JSON.stringify(name)}.`)
    throw error
  }
}
