/**
 * Signing up and in, sessions, verified addresses and forgotten passwords: Better Auth, on the global tables that it owns. What a
 * user may do in a tenant is no business of it; it stays within `user`, `session`, `account` and `verification`.
 */
import { isUniqueViolation } from '@offshoot/data'
import type { Platform } from '@offshoot/host'
import type { Mail } from '@offshoot/mail'
import { newId, text } from '@offshoot/rpc'
import { APIError, betterAuth } from 'better-auth'
import { prismaAdapter } from 'better-auth/adapters/prisma'
import { bearer } from 'better-auth/plugins'
import { sessionCookie } from './contract.ts'
import { sessionSecret } from './credentials.ts'
import type { PrismaClient } from './generated/prisma/client.ts'

/** Where the routes are mounted. */
export const authPath = '/api/auth'

/** The header in which our own router, and nobody else, tells Better Auth the client's address. */
export const clientAddressHeader = 'x-offshoot-client-address'

const day = 24 * 60 * 60
const hour = 60 * 60

export type Auth = ReturnType<typeof createAuth>

export function createAuth(platform: Platform, global: PrismaClient) {
  const { publicUrl, mailer, log } = platform
  // Mail leaves after the answer: how long an answer takes would tell whether an address is known.
  // A mail server's error quotes the address, so that only its codes are logged.
  const post = async (mail: Mail) =>
    void mailer
      .send(mail)
      .catch(({ code, responseCode }) => log.error({ code, responseCode }, 'a mail could not be sent'))

  return betterAuth({
    appName: 'Offshoot',
    baseURL: publicUrl + authPath,
    basePath: authPath,
    secret: sessionSecret(platform.secret),
    trustedOrigins: [new URL(publicUrl).origin, tenantOrigins(publicUrl)],
    telemetry: { enabled: false },
    experimental: { instrumentation: { enabled: false } }, // its spans have names and attributes of their own; ours tell what it asks the database
    database: prismaAdapter(hidingTakenAddresses(global), { provider: 'postgresql' }),
    plugins: [bearer({ requireSignature: true })],

    emailAndPassword: {
      enabled: true,
      // Signing in by signing up would tell which addresses are taken already.
      autoSignIn: false,
      minPasswordLength: 10,
      maxPasswordLength: 128,
      resetPasswordTokenExpiresIn: hour,
      revokeSessionsOnPasswordReset: true,
      sendResetPassword: ({ user, url }) =>
        post({
          to: user.email,
          subject: 'Choose a new password',
          text: `Somebody, probably you, asked for a new password. This link is good for one hour:\n\n${url}\n\nIf it was not you, do nothing.`,
        }),
      onExistingUserSignUp: ({ user }) =>
        post({
          to: user.email,
          subject: 'You have an account already',
          text: `Somebody, probably you, tried to sign up with this address, which has an account already. Sign in at ${publicUrl}, or ask for a new password there.`,
        }),
    },
    emailVerification: {
      sendOnSignUp: true,
      expiresIn: day,
      sendVerificationEmail: ({ user, url }) =>
        post({
          to: user.email,
          subject: 'Confirm your address',
          text: `Confirm that this address is yours. The link is good for one day:\n\n${url}\n\nIf you did not sign up, do nothing.`,
        }),
    },
    session: { expiresIn: 7 * day, updateAge: day },
    verification: { storeIdentifier: 'hashed' },
    databaseHooks: {
      user: {
        create: { before: async (user) => ({ data: { ...user, ...profile(user) } }) },
        update: { before: async (user) => ({ data: { ...user, ...profile(user) } }) },
      },
    },

    rateLimit: {
      enabled: platform.production,
      window: 60,
      max: 120,
      customRules: {
        '/sign-in/email': { window: 60, max: 10 },
        '/sign-up/email': { window: 60, max: 5 },
        '/request-password-reset': { window: 60, max: 3 },
        '/send-verification-email': { window: 60, max: 3 },
      },
    },
    advanced: {
      database: { generateId: () => newId() },
      cookiePrefix: sessionCookie,
      cookies: { session_token: { name: sessionCookie } },
      useSecureCookies: false, // would only rename the cookie; what makes it secure is the attribute
      defaultCookieAttributes: { httpOnly: true, sameSite: 'lax', secure: platform.production },
      ipAddress: { ipAddressHeaders: [clientAddressHeader] },
      // Said explicitly, since Better Auth drops both checks by itself when it believes to be in a test.
      disableOriginCheck: false,
      disableCSRFCheck: false,
    },
    // What is no answer of Better Auth's own is for the router: it would be printed to the console here, with whatever it quotes.
    onAPIError: { throw: true },
    logger: {
      level: 'warn',
      // Arguments are left out: they hold addresses and whatever the database was asked.
      log: (level, message) => log[level]({ part: 'better-auth' }, message),
    },
  })
}

/**
 * Two who sign up with one address at once: the second finds it free, and its insert fails. Better Auth would say so; FORBIDDEN it takes as
 * a reason to answer as for any address that is taken.
 */
function hidingTakenAddresses(global: PrismaClient) {
  return global.$extends({
    query: {
      user: {
        create: ({ args, query }) =>
          query(args).catch((error) => {
            throw isUniqueViolation(error) ? new APIError('FORBIDDEN') : error
          }),
      },
    },
  })
}

/** `https://*.example.com` for `https://example.com`: each tenant may have a host name of its own. */
function tenantOrigins(publicUrl: string): string {
  const { protocol, host } = new URL(publicUrl)
  return `${protocol}//*.${host}`
}

const name = text(100)

/** What people may say about themselves. */
function profile(user: { name?: string; image?: string | null }): { name?: string } {
  if (user.image)
    throw new APIError('BAD_REQUEST', { code: 'IMAGE_NOT_SUPPORTED', message: 'Pictures are not supported.' })
  if (user.name === undefined) return {}
  const parsed = name.safeParse(user.name)
  if (!parsed.success)
    throw new APIError('BAD_REQUEST', { code: 'INVALID_NAME', message: 'A name has 1 to 100 characters.' })
  return { name: parsed.data }
}
