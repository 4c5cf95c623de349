import {
  domainOfDeadLetter,
  type OutboxLag as Lag,
  type DeadLetter as Letter,
  newestFirst,
  operationsOf,
} from '@offshoot/events/runtime'
import { type GraphQLContext, pageArguments, pageOf, type SchemaPart } from '@offshoot/graphql'
import { forbidden, notFound, Problem } from '@offshoot/rpc'
import { z } from 'zod'

/** What operators see of the domains with these names. The domains refuse everyone else themselves; here it is only said once, and before anything is asked. */
export function operations(domains: readonly string[]): SchemaPart {
  return ({ builder, connection }) => {
    const DeadLetterEvent = builder.objectRef<Letter['event']>('DeadLetterEvent').implement({
      description:
        'The envelope of an event, without what it says: that may be personal data, and is shown by `npm run events -- dead show` only.',
      fields: (t) => ({
        id: t.exposeID('id'),
        source: t.exposeString('source', { description: 'The domain that emitted it.' }),
        type: t.exposeString('type'),
        version: t.exposeInt('version'),
        subject: t.exposeString('subject', { description: 'The aggregate. Its later events wait.' }),
        revision: t.exposeInt('revision'),
        time: t.field({ type: 'DateTime', resolve: ({ time }) => time }),
        traceparent: t.exposeString('traceparent', { nullable: true }),
      }),
    })

    const DeadLetter = builder.objectRef<Letter>('DeadLetter').implement({
      description: 'An event that a handler could not handle, however often it was tried.',
      fields: (t) => ({
        id: t.exposeID('id'),
        domain: t.exposeString('domain', { description: 'The domain that could not handle it.' }),
        handler: t.exposeString('handler'),
        tenant: t.exposeID('tenant'),
        event: t.field({ type: DeadLetterEvent, resolve: ({ event }) => event }),
        error: t.exposeString('error'),
        attempts: t.exposeInt('attempts'),
        firstFailedAt: t.field({ type: 'DateTime', resolve: ({ firstFailedAt }) => firstFailedAt }),
        lastFailedAt: t.field({ type: 'DateTime', resolve: ({ lastFailedAt }) => lastFailedAt }),
      }),
    })

    const OutboxLag = builder.objectRef<Lag>('OutboxLag').implement({
      fields: (t) => ({
        domain: t.exposeString('domain'),
        unpublished: t.exposeInt('unpublished'),
        oldestSeconds: t.exposeFloat('oldestSeconds', {
          nullable: true,
          description: 'How long the oldest of them has waited.',
        }),
      }),
    })

    const Operations = builder.objectRef<object>('Operations').implement({
      description: 'What the staff of the product sees, across tenants.',
      fields: (t) => ({
        deadLetters: t.field({
          type: connection(DeadLetter),
          nullable: true,
          description: 'The newest event first. While a domain cannot answer, name another.',
          args: { ...pageArguments(t), domain: t.arg.string(), handler: t.arg.string() },
          async resolve(_, { domain, handler, ...args }, context) {
            const page = pageOf(DeadLetter.name, args, context, z.string().min(1))
            const pages = await Promise.all(
              domains
                .filter((name) => !domain || name === domain)
                .map((name) =>
                  context.client(operationsOf(name)).deadLetters({ ...page, handler: handler ?? undefined }),
                ),
            )
            const items = pages.flatMap(({ items }) => items).sort(newestFirst)
            return {
              items: items.slice(0, page.first),
              more: items.length > page.first || pages.some(({ more }) => more),
            }
          },
        }),
        outboxLag: t.field({
          type: [OutboxLag],
          nullable: true,
          description: 'How many events of each domain are not published yet.',
          resolve: (_, __, context) =>
            Promise.all(domains.map((name) => context.client(operationsOf(name)).outboxLag({}))),
        }),
      }),
    })

    builder.queryFields((t) => ({
      operations: t.field({
        type: Operations,
        nullable: true,
        description: 'For the staff of the product only.',
        resolve(_, __, context) {
          assertOperator(context)
          return {}
        },
      }),
    }))

    const settle = (call: 'replayDeadLetter' | 'discardDeadLetter') => (id: string, context: GraphQLContext) => {
      assertOperator(context)
      const domain = domainOfDeadLetter(id)
      if (!domain || !domains.includes(domain)) throw notFound('DeadLetter')
      return context.client(operationsOf(domain))[call]({ id })
    }
    const replay = settle('replayDeadLetter')
    const discard = settle('discardDeadLetter')

    builder.mutationFields((t) => ({
      replayDeadLetter: t.field({
        type: DeadLetter,
        nullable: true,
        description: 'Has the event handled again, and what waits behind it. For the staff of the product only.',
        args: { id: t.arg.id({ required: true }) },
        resolve: (_, { id }, context) => replay(id, context),
      }),
      discardDeadLetter: t.field({
        type: DeadLetter,
        nullable: true,
        description:
          'Counts the event as handled, and goes on with what waits behind it. For the staff of the product only.',
        args: { id: t.arg.id({ required: true }) },
        resolve: (_, { id }, context) => discard(id, context),
      }),
    }))
  }
}

function assertOperator(context: GraphQLContext): void {
  const viewer = context.viewer()
  if (!viewer) throw new Problem('UNAUTHENTICATED', 'SIGN_IN_REQUIRED', 'Sign in, or send a token.')
  if (!viewer.operator) throw forbidden('OPERATOR_ONLY', 'This is for the staff of the product.')
}
