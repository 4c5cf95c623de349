export { defineFlag, type Flag, type FlagKind } from './flag.ts'
export type { BoundFlags, FlagContext, Flags, FlagsHealth } from './flags.ts'
