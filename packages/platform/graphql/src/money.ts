import { badInput, currencyDigits, type Money } from '@offshoot/rpc'

/** `{ minor: 1250, currency: 'EUR' }` → `"12.50"`. */
export function decimalOf({ minor, currency }: Money): string {
  const digits = currencyDigits(currency) ?? 0
  const text = String(Math.abs(minor)).padStart(digits + 1, '0')
  const sign = minor < 0 ? '-' : ''
  return digits === 0 ? sign + text : `${sign}${text.slice(0, -digits)}.${text.slice(-digits)}`
}

/** `"12.5"` and `"EUR"` → 1250 cents. INVALID_MONEY for a currency that does not exist, for more decimals than it has, and for more than can be counted exactly. */
export function moneyOf({ amount, currency }: { amount: string; currency: string }): Money {
  const digits = currencyDigits(currency)
  if (digits === undefined)
    throw badInput('INVALID_MONEY', `'${currency.slice(0, 20)}' is not an ISO 4217 currency code.`)
  const [whole = '', fraction = ''] = amount.split('.')
  if (/[1-9]/.test(fraction.slice(digits)))
    throw badInput('INVALID_MONEY', `${currency} has ${digits} decimals; ${amount} has more.`)
  const minor = Number(whole + fraction.slice(0, digits).padEnd(digits, '0'))
  if (!Number.isSafeInteger(minor)) throw badInput('INVALID_MONEY', 'The amount is too large.')
  return { minor: minor === 0 ? 0 : minor, currency }
}
