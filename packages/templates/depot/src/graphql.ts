import { pageArguments, pageOf, type SchemaPart } from '@offshoot/graphql'
import { depot, StorageBoxEntity, type StorageBoxTally as Tally } from './contract.ts'

/** What depot adds to the public schema. */
export const graphql: SchemaPart = ({ builder, entity, connection }) => {
  const StorageBox = entity(StorageBoxEntity)
  StorageBox.implement({
    fields: (t) => ({
      id: t.exposeID('id'),
      name: t.exposeString('name', { description: 'No two of an organization have the same.' }),
      note: t.exposeString('note', { nullable: true }),
      archived: t.exposeBoolean('archived', { description: 'On no list any more.' }),
      createdAt: t.field({ type: 'DateTime', resolve: ({ createdAt }) => createdAt }),
    }),
  })

  builder.queryFields((t) => ({
    storageBoxes: t.field({
      type: connection(StorageBox),
      nullable: true,
      description: 'Those that are not archived, newest first.',
      args: pageArguments(t),
      resolve: (_, page, context) => context.client(depot).listStorageBoxes(pageOf(StorageBox.name, page, context)),
    }),
    storageBox: t.field({
      type: StorageBox,
      nullable: true,
      args: { id: t.arg.id({ required: true }) },
      resolve: (_, { id }) => id,
    }),
  }))

  const CreateStorageBoxInput = builder.inputType('CreateStorageBoxInput', {
    fields: (t) => ({ name: t.string({ required: true }), note: t.string() }),
  })

  const UpdateStorageBoxInput = builder.inputType('UpdateStorageBoxInput', {
    description: 'What is left out stays as it is.',
    fields: (t) => ({
      id: t.id({ required: true }),
      name: t.string(),
      note: t.string({ description: 'Null takes it away.' }),
    }),
  })

  builder.mutationFields((t) => ({
    createStorageBox: t.field({
      type: StorageBox,
      nullable: true,
      args: { input: t.arg({ type: CreateStorageBoxInput, required: true }) },
      resolve: (_, { input: { name, note } }, context) =>
        context.client(depot).createStorageBox({ name, note: note ?? undefined }),
    }),
    updateStorageBox: t.field({
      type: StorageBox,
      nullable: true,
      args: { input: t.arg({ type: UpdateStorageBoxInput, required: true }) },
      resolve: (_, { input: { id, name, note } }, context) =>
        context.client(depot).updateStorageBox({ id: id as never, name: name ?? undefined, note }),
    }),
    archiveStorageBox: t.field({
      type: StorageBox,
      nullable: true,
      description: 'Takes it off the list. May be sent again.',
      args: { id: t.arg.id({ required: true }) },
      resolve: (_, { id }, context) => context.client(depot).archiveStorageBox({ id: id as never }),
    }),
  }))

  const StorageBoxTally = builder.objectRef<Tally>('StorageBoxTally').implement({
    description: 'How many there are, counted shortly after the fact.',
    fields: (t) => ({ active: t.exposeInt('active'), archived: t.exposeInt('archived') }),
  })

  builder.queryField('storageBoxTally', (t) =>
    t.field({
      type: StorageBoxTally,
      nullable: true,
      resolve: (_, _args, context) => context.client(depot).getStorageBoxTally({}),
    }),
  )
}
