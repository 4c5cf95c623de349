export { readEnvironment } from './env-file.ts'
export { envExample } from './example.ts'
export { ConfigError, type Environment, loadConfig } from './load.ts'
export { flag, list, type SettingNotes, settings, whole } from './settings.ts'
