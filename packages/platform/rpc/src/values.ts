import { z } from 'zod'

/** An id of the kind that `brand` names: a UUID in lower case. Ids of different kinds do not assign to each other. */
export function id<const Brand extends string>(_brand: Brand) {
  return z.uuid().toLowerCase().brand<Brand>()
}

export const TenantId = id('TenantId')
export type TenantId = z.infer<typeof TenantId>

export const UserId = id('UserId')
export type UserId = z.infer<typeof UserId>

/** What a member may be in an organization. Which action needs which role stands in each contract's `actions`. */
export const Role = z.enum(['owner', 'admin', 'member'])
export type Role = z.infer<typeof Role>

/** What a tenant has taken out. Few, since metrics are labelled by it. */
export const Plan = z.enum(['free', 'pro', 'enterprise'])
export type Plan = z.infer<typeof Plan>

/** An RFC 3339 time in UTC with milliseconds, as `Date.prototype.toISOString` writes it. Contracts carry text, so that a value is the same in-process and on the wire. */
export const Timestamp = z.iso.datetime({ precision: 3 })
export type Timestamp = z.infer<typeof Timestamp>

/** Text that people write: no NUL and no half of a surrogate pair (PostgreSQL cannot store them), not blank, trimmed, at most `max` UTF-16 units. */
export function text(max: number) {
  return z
    .string()
    .max(max)
    .trim()
    .min(1)
    .refine((value) => !value.includes('\0') && value.isWellFormed(), 'must not contain NUL or half a character')
}

const fractionDigits = new Map<string, number>()

/** How many decimals an ISO 4217 currency has (EUR 2, JPY 0, KWD 3), or undefined when there is no such currency. Source: ICU, per ECMA-402. */
export function currencyDigits(currency: string): number | undefined {
  if (fractionDigits.size === 0) {
    for (const code of Intl.supportedValuesOf('currency')) {
      const format = new Intl.NumberFormat('en', { style: 'currency', currency: code })
      fractionDigits.set(code, format.resolvedOptions().maximumFractionDigits ?? 2)
    }
  }
  return fractionDigits.get(currency)
}

/** An amount of money: `minor` is a whole number of the currency's smallest unit (1250 with EUR is 12.50 €), `currency` an ISO 4217 code. */
export const Money = z.object({
  minor: z.int(),
  currency: z.string().refine((code) => currencyDigits(code) !== undefined, 'is not an ISO 4217 currency'),
})
export type Money = z.infer<typeof Money>

/** The largest page that any list gives. */
export const maxPageSize = 100

/** Input of a list, newest first: `first` items after the item with the id `after`. */
export function pageInput<Shape extends z.ZodRawShape>(shape: Shape) {
  return z.object({ first: z.int().min(1).max(maxPageSize), after: z.uuid().optional(), ...shape })
}

/** Output of a list: at most `first` items, and whether more follow. */
export function page<Item extends z.ZodType>(item: Item) {
  return z.object({ items: z.array(item), more: z.boolean() })
}

/** Cuts a page from rows that were read with `take: first + 1`: the one too many only says that more follow. */
export function toPage<Row>(rows: Row[], first: number): { items: Row[]; more: boolean } {
  return { items: rows.slice(0, first), more: rows.length > first }
}
