/** What lanes must know of a generated client's models to put the tenant into every statement. */
export interface Model {
  /** How the client calls it: `orderLine`. */
  readonly property: string
  /** Qualified and quoted, for SQL. */
  readonly table: string
  /** Whether its rows belong to tenants. */
  readonly tenant: boolean
  readonly relations: ReadonlyMap<string, Relation>
  /** Its unique keys that begin with the tenant: the compound's name in Prisma (`tenantId_id`), and the field beside the tenant if it is one. */
  readonly keys: readonly { readonly name: string; readonly only: string | undefined }[]
}

export interface Relation {
  readonly model: Model
  readonly list: boolean
  /** Whether its foreign key is on this side and begins with the tenant, so that connecting it decides the row's tenant. */
  readonly carriesTenant: boolean
}

interface ClientInternals {
  _runtimeDataModel?: {
    models: Record<string, { dbName: string | null; fields: { name: string; kind: string; type: string }[] }>
  }
  _engineConfig?: { inlineSchema?: string }
}

/**
 * The models of a client, by property. Prisma keeps neither keys nor the sides of relations at run time, but it keeps the schema's
 * text, which Prisma itself has checked: every attribute is on the line of its field or on one of its own.
 */
export function modelsOf(client: object, schema: string): ReadonlyMap<string, Model> {
  const { _runtimeDataModel: dataModel, _engineConfig: config } = client as ClientInternals
  if (!dataModel || !config?.inlineSchema) {
    throw new Error(
      'This PrismaClient does not tell its models. Check the version of @prisma/client against @offshoot/data.',
    )
  }
  const sources = sourcesOf(config.inlineSchema)
  const models = new Map<string, Model & { relations: Map<string, Relation> }>()
  for (const [name, { dbName, fields }] of Object.entries(dataModel.models)) {
    models.set(name, {
      property: name[0]!.toLowerCase() + name.slice(1),
      table: `"${schema}"."${dbName ?? name}"`,
      tenant: fields.some((field) => field.name === 'tenantId'),
      relations: new Map(),
      keys: keysIn(sources.get(name)!),
    })
  }
  for (const [name, { fields }] of Object.entries(dataModel.models)) {
    for (const field of fields) {
      if (field.kind !== 'object') continue
      const line = new RegExp(`^\\s*${field.name}\\s+${field.type}(\\[\\])?.*$`, 'm').exec(sources.get(name)!)!
      models.get(name)!.relations.set(field.name, {
        model: models.get(field.type)!,
        list: line[1] !== undefined,
        carriesTenant: /@relation\([^)]*fields:\s*\[\s*tenantId\b/.test(line[0]),
      })
    }
  }
  return new Map([...models.values()].map((model) => [model.property, model]))
}

/** The body of each model in a Prisma schema. */
function sourcesOf(schema: string): Map<string, string> {
  const withoutComments = schema.replace(/^\s*\/\/.*$/gm, '')
  return new Map(
    [...withoutComments.matchAll(/^\s*model\s+(\w+)\s*\{([\s\S]*?)^\s*\}/gm)].map(([, name, body]) => [name!, body!]),
  )
}

function keysIn(source: string): Model['keys'] {
  return [...source.matchAll(/@@(?:id|unique)\(\s*(?:fields:\s*)?\[\s*tenantId\s*,([^\]]+)\]/g)].map(([, rest]) => {
    const others = rest!.split(',').map((field) => field.trim())
    return { name: ['tenantId', ...others].join('_'), only: others.length === 1 ? others[0] : undefined }
  })
}
