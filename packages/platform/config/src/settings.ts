import { z } from 'zod'

/** What is known of a setting besides its type; `schema.register(settings, { … })` attaches it. */
export interface SettingNotes {
  /** A sentence for whoever sets it; it becomes the comment in `.env.example`. */
  about: string
  /** The value in development when none is set. Production must set its own, and refuses this one. */
  development?: string
  /** The value is never printed. */
  secret?: boolean
  /** What happens without a value, where that is not a plain default: `the host of PUBLIC_URL`. */
  otherwise?: string
}

/** The notes of all settings. */
export const settings = z.registry<SettingNotes>()

/** A whole number from `min` to `max`. */
export function whole(min: number, max: number) {
  return z
    .string()
    .regex(/^\d{1,15}$/)
    .transform(Number)
    .refine((value) => value >= min && value <= max)
    .describe(`a whole number from ${min} to ${max}`)
}

/** `true` or `false`. */
export function flag() {
  return z
    .enum(['true', 'false'])
    .transform((value) => value === 'true')
    .describe('true or false')
}

/** A list, separated by commas. */
export function list<T extends z.ZodType<unknown, string>>(item: T) {
  return z
    .string()
    .transform((text) =>
      text
        .split(',')
        .map((part) => part.trim())
        .filter(Boolean),
    )
    .pipe(z.array(item))
    .describe(`a list, separated by commas, each ${item.description ?? 'a value'}`)
}
