import { createHmac, createSecretKey, hkdfSync, timingSafeEqual } from 'node:crypto'

/** An event on its way: CloudEvents 1.0 in JSON format, with extension attributes of ours. */
export interface Envelope {
  specversion: '1.0'
  id: string
  /** The domain that emitted it. */
  source: string
  type: string
  /** The aggregate: `order/0198…`. */
  subject: string
  time: string
  datacontenttype: 'application/json'
  /** Version of the data's schema. */
  dataversion: number
  tenantid: string
  /** W3C Trace Context, where the emitter had one. */
  traceparent?: string
  /** The how-manieth event of its aggregate this is. */
  revision: number
  /** The revision of the latest earlier event of the aggregate, by type, as JSON: from it each handler knows whether one that it wants is missing. */
  lastbytype: string
  data: unknown
}

/** What a transport carries: opaque but for what it needs to be fair and to recognise duplicates. */
export interface Message {
  id: string
  tenant: string
  /** The envelope as JSON. */
  body: string
  signature: string
}

export interface Seal {
  seal(envelope: Envelope): Message
  /** The envelope, or undefined when the message is not ours or was changed on the way: a broker may be shared, and a tenant id in a message be anybody's claim. */
  open(message: Message): Envelope | undefined
}

/** Signs messages with a key derived from the installation's secret (HMAC-SHA256, RFC 2104). */
export function envelopeSeal(secret: string): Seal {
  const key = createSecretKey(Buffer.from(hkdfSync('sha256', secret, '', 'offshoot events', 32)))
  const sign = (body: string) => createHmac('sha256', key).update(body).digest()
  return {
    seal(envelope) {
      const body = JSON.stringify(envelope)
      return { id: envelope.id, tenant: envelope.tenantid, body, signature: sign(body).toString('base64url') }
    },
    open({ id, tenant, body, signature }) {
      const given = Buffer.from(signature, 'base64url')
      const expected = sign(body)
      if (given.length !== expected.length || !timingSafeEqual(given, expected)) return undefined
      const envelope = JSON.parse(body) as Envelope
      return envelope.id === id && envelope.tenantid === tenant ? envelope : undefined
    },
  }
}
