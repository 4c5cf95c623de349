import { APIError } from 'better-auth'
import express, { type Request, type Response, Router } from 'express'
import type { Auth } from './auth.ts'

/**
 * Where the link in a mail leads whoever forgot a password, unless the client that asked for the mail named a page of its own:
 * a form without a script. Who has the token may set a password; that nobody else learns it is why nothing is cached or referred.
 */
export function resetPage(auth: Auth): Router {
  const router = Router()
  router
    .route('/reset-password/:token')
    .get((request, response, next) => (request.query.callbackURL ? next() : answer(response, 200, form())))
    .post(
      express.urlencoded({ extended: false, limit: '4kb' }),
      async (request: Request<{ token: string }>, response) => {
        const { token } = request.params
        const newPassword = String(request.body?.password ?? '')
        try {
          await auth.api.resetPassword({ body: { token, newPassword } })
          answer(response, 200, '<p>Your new password is set, and you are signed out everywhere. Sign in with it.</p>')
        } catch (error) {
          if (!(error instanceof APIError)) throw error
          answer(response, 400, form(problems[error.body?.code ?? ''] ?? problems.INVALID_TOKEN))
        }
      },
    )
  return router
}

const problems: Record<string, string> = {
  PASSWORD_TOO_SHORT: 'That is too short: at least 10 characters.',
  PASSWORD_TOO_LONG: 'That is too long: at most 128 characters.',
  INVALID_TOKEN: 'This link was used already, or it is too old. Ask for another one.',
}

const form = (problem?: string) => `
  ${problem ? `<p role="alert">${problem}</p>` : ''}
  <form method="post">
    <label>New password <input name="password" type="password" autocomplete="new-password" minlength="10" maxlength="128" required></label>
    <button>Set it</button>
  </form>`

function answer(response: Response, status: number, body: string): void {
  response
    .status(status)
    .set({ 'cache-control': 'no-store', 'referrer-policy': 'no-referrer' })
    .type('html')
    .send(
      `<!doctype html><html lang="en"><meta charset="utf-8"><title>Choose a new password</title><h1>Choose a new password</h1>${body}</html>`,
    )
}
