import type { z } from 'zod'
import { settings } from './settings.ts'

const HEAD = `# Every setting of the product. Development needs none of them: copy this file to .env and change what you want to change.
# The real environment wins over .env. Generated from the code by \`npm run check -- --write\`.
`

/** The text of `.env.example`: each setting with its meaning, commented out, with the value it has when it is not set. */
export function envExample(schema: z.ZodObject): string {
  const parts = Object.entries(schema.shape).map(([name, type]) => {
    const notes = settings.get(type as z.ZodType)
    if (!notes) throw new Error(`${name} has no notes: add .register(settings, { about: … })`)
    const fallback = notes.development ?? plainDefault(type as z.ZodType)
    const rules = [
      notes.development !== undefined && 'Production must set its own.',
      notes.otherwise && `Not set: ${notes.otherwise}.`,
    ].filter((rule) => rule !== false && rule !== undefined && rule !== '')
    return [`# ${[notes.about, ...rules].join(' ')}`, `#${name}=${fallback ?? ''}`].join('\n')
  })
  return `${[HEAD, ...parts].join('\n\n').replace('\n\n\n', '\n\n')}\n`
}

function plainDefault(type: z.ZodType): string | undefined {
  const { defaultValue, innerType } = type.def as { defaultValue?: unknown; innerType?: z.ZodType }
  if (defaultValue !== undefined) return Array.isArray(defaultValue) ? defaultValue.join(',') : String(defaultValue)
  return innerType ? plainDefault(innerType) : undefined
}
