import type { Money } from '@offshoot/rpc'

/** Somebody who moves money for us. Every call may be sent again with the same key: it then has no further effect and the same answer. */
export interface PaymentProvider {
  /** Charges `amount`, unless the key was refunded before: then never. */
  capture(request: { key: string; amount: Money; method: string }): Promise<'captured' | 'declined'>
  /** Gives back what was charged under the key, and charges nothing under it from now on. Tells whether anything was given back, now or earlier. */
  refund(key: string): Promise<'refunded' | 'nothing-charged'>
  /** Whether anything is charged under the key and was not given back; null when the provider does not know the key. */
  find(key: string): Promise<'charged' | 'not-charged' | null>
}

/** The provider did not answer in time: whether it did what it was asked is not known. */
export class NoAnswerError extends Error {
  constructor(what: string) {
    super(`The payment provider did not answer within ${patience} ms: ${what}`)
    this.name = 'NoAnswerError'
  }
}

/** How long to wait for one answer, in ms, and how often to ask. Together they are the longest that an order waits for its payment. */
const patience = 400
const attempts = 3

/** `given-back`: charged after all when we had stopped waiting, and then refunded. */
export type Outcome = 'captured' | 'declined' | 'no-answer' | 'given-back'

/** Asks for a capture until there is an answer, always under the same key. When there is none, the key is closed, so that it ends without a charge. */
export async function capture(
  provider: PaymentProvider,
  request: { key: string; amount: Money; method: string },
): Promise<Outcome> {
  for (let attempt = 1; attempt <= attempts; attempt++) {
    try {
      return await answered('capture', provider.capture(request))
    } catch (error) {
      if (!(error instanceof NoAnswerError)) throw error
    }
  }
  if ((await answered('find', provider.find(request.key))) === 'charged') return 'captured'
  return (await refund(provider, request.key)) === 'refunded' ? 'given-back' : 'no-answer'
}

/** Asks once; without an answer it throws, to be tried again later. */
export function refund(provider: PaymentProvider, key: string): Promise<'refunded' | 'nothing-charged'> {
  return answered('refund', provider.refund(key))
}

async function answered<T>(what: string, answer: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new NoAnswerError(what)), patience)
  })
  answer.catch(() => {}) // a failure after the time-out is nobody's
  try {
    return await Promise.race([answer, late])
  } finally {
    clearTimeout(timer)
  }
}
