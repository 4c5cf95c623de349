import { pageArguments, pageOf, type SchemaPart } from '@offshoot/graphql'
import { UserEntity } from '@offshoot/identity/contract'
import { type Email, EmailStatus, EmailTemplate, notifications } from './contract.ts'

/** What people were told, in the public schema. */
export const graphql: SchemaPart = ({ builder, entity, connection }) => {
  const Status = builder.enumType('EmailStatus', {
    values: Object.fromEntries(EmailStatus.options.map((status) => [status, { description: meanings[status] }])),
  })
  const Template = builder.enumType('EmailTemplate', {
    values: Object.fromEntries(
      EmailTemplate.options.map((template) => [template.toUpperCase().replaceAll('-', '_'), { value: template }]),
    ),
  })

  const EmailType = builder.objectRef<Email>('Email').implement({
    description: 'A mail to one person about something that happened.',
    fields: (t) => ({
      id: t.exposeID('id'),
      template: t.field({ type: Template, resolve: ({ template }) => template }),
      user: t.field({ type: entity(UserEntity), nullable: true, resolve: ({ user }) => user }),
      status: t.field({ type: Status, resolve: ({ status }) => status }),
      createdAt: t.field({ type: 'DateTime', resolve: ({ createdAt }) => createdAt }),
      sentAt: t.field({ type: 'DateTime', nullable: true, resolve: ({ sentAt }) => sentAt }),
    }),
  })

  builder.queryField('emails', (t) =>
    t.field({
      type: connection(EmailType),
      nullable: true,
      description: 'Mails about what happened, newest first. For owners and admins.',
      args: pageArguments(t),
      resolve: (_, page, context) => context.client(notifications).emails(pageOf(EmailType.name, page, context)),
    }),
  )
}

const meanings: Record<EmailStatus, string> = {
  QUEUED: 'Waits for the mail server.',
  SENT: 'The mail server has taken it.',
  SKIPPED: 'Not sent: the person had left.',
  REFUSED: 'Not sent: the mail server says that there is no such address.',
}
