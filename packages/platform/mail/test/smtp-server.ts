import { once } from 'node:events'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { createInterface } from 'node:readline'

/** A mail as an SMTP server gets it. */
export interface Received {
  from: string
  to: string[]
  headers: Map<string, string>
  body: string
}

export interface SmtpServer {
  url: string
  received: Received[]
  close(): Promise<void>
}

/** An SMTP server (RFC 5321) that takes every mail, but none for `refused@…`. */
export async function openSmtpServer(): Promise<SmtpServer> {
  const received: Received[] = []
  const sockets = new Set<Socket>()
  async function talk(socket: Socket): Promise<void> {
    sockets.add(socket.on('error', () => {}))
    const say = (line: string) => socket.write(`${line}\r\n`)
    let [from, to, data] = ['', [] as string[], undefined as string[] | undefined]
    say('220 test ESMTP')
    for await (const line of createInterface({ input: socket })) {
      if (data && line !== '.') data.push(line.replace(/^\.\./, '.'))
      else if (data) {
        received.push({ from, to, ...parsed(data) })
        data = undefined
        to = []
        say('250 taken')
      } else if (/^(EHLO|HELO)/.test(line)) say('250 test')
      else if (line.startsWith('MAIL FROM:')) {
        from = line.slice(10)
        say('250 ok')
      } else if (line.startsWith('RCPT TO:')) {
        if (line.includes('refused@')) say(`550 5.1.1 ${line.slice(8)}: there is no such mailbox`)
        else {
          to.push(line.slice(8))
          say('250 ok')
        }
      } else if (line === 'DATA') {
        data = []
        say('354 go on')
      } else if (line === 'QUIT') socket.end('221 bye\r\n')
      else say('250 ok')
    }
  }
  const server = createServer((socket) => {
    talk(socket).catch(() => socket.destroy()) // the client is gone
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    url: `smtp://127.0.0.1:${(server.address() as AddressInfo).port}`,
    received,
    async close() {
      for (const socket of sockets) socket.destroy()
      server.close()
      await once(server, 'close')
    },
  }
}

function parsed(lines: string[]): Pick<Received, 'headers' | 'body'> {
  const end = lines.indexOf('')
  const fields = lines.slice(0, end).join('\n').replace(/\n\s+/g, ' ').split('\n')
  const headers = new Map(
    fields.map((field) => [field.split(':', 1)[0]!.toLowerCase(), field.replace(/^[^:]*:\s*/, '')]),
  )
  return {
    headers,
    body: lines
      .slice(end + 1)
      .join('\n')
      .trimEnd(),
  }
}
