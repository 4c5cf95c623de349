/**
 * Protocol Buffers (their wire format, "Encoding"), written from the last field to the first: a message's length is known when it is written, so that nothing is gone through
 * twice, and nothing moved.
 */
export class Backwards {
  #buffer = Buffer.allocUnsafe(4_096)
  /** How many bytes are written. A message that begins now, with its last field, ends here: see `message`. */
  at = 0

  /** Where the next `size` bytes are written. */
  #make(size: number): number {
    this.at += size
    if (this.at > this.#buffer.length) {
      const larger = Buffer.allocUnsafe(2 * this.at)
      this.#buffer.copy(larger, larger.length - this.#buffer.length)
      this.#buffer = larger
    }
    return this.#buffer.length - this.at
  }

  #number(value: number): void {
    if (value < 0x80) {
      this.#buffer[this.#make(1)] = value
      return
    }
    let size = 1
    for (let rest = value; rest >= 0x80; rest = Math.floor(rest / 0x80)) size++
    let to = this.#make(size)
    const buffer = this.#buffer
    for (; value >= 0x80; value = Math.floor(value / 0x80)) buffer[to++] = (value % 0x80) | 0x80
    buffer[to] = value
  }

  /** Negative numbers are their complement to 2^64. */
  #negative(value: number): void {
    let rest = BigInt.asUintN(64, BigInt(value))
    let to = this.#make(10)
    for (; rest >= 0x80n; rest >>= 7n) this.#buffer[to++] = Number(rest & 0x7fn) | 0x80
    this.#buffer[to] = Number(rest)
  }

  /** What was written since `end` becomes a message. */
  message(field: number, end: number): void {
    this.#number(this.at - end)
    this.#number((field << 3) | 2)
  }

  /** A safe integer. */
  varint(field: number, value: number): void {
    if (value < 0) this.#negative(value)
    else this.#number(value)
    this.#number(field << 3)
  }

  fixed32(field: number, value: number): void {
    const to = this.#make(4)
    this.#buffer.writeUInt32LE(value, to)
    this.#number((field << 3) | 5)
  }

  fixed64(field: number, value: bigint): void {
    const to = this.#make(8)
    this.#buffer.writeBigUInt64LE(value, to)
    this.#number((field << 3) | 1)
  }

  double(field: number, value: number): void {
    const to = this.#make(8)
    this.#buffer.writeDoubleLE(value, to)
    this.#number((field << 3) | 1)
  }

  string(field: number, text: string): void {
    const end = this.at
    const { length } = text
    if (length > 40) this.#long(text)
    else {
      const to = this.#make(length)
      const buffer = this.#buffer
      for (let i = 0; i < length; i++) {
        const code = text.charCodeAt(i)
        if (code > 0x7f) {
          this.at = end
          this.#long(text)
          break
        }
        buffer[to + i] = code
      }
    }
    this.message(field, end)
  }

  #long(text: string): void {
    const to = this.#make(Buffer.byteLength(text))
    this.#buffer.write(text, to)
  }

  /** Bytes that are given as hexadecimal digits. */
  hex(field: number, digits: string): void {
    const end = this.at
    const to = this.#make(digits.length / 2)
    this.#buffer.write(digits, to, 'hex')
    this.message(field, end)
  }

  bytes(field: number, bytes: Uint8Array): void {
    const end = this.at
    const to = this.#make(bytes.length)
    this.#buffer.set(bytes, to)
    this.message(field, end)
  }

  /** Forgets what was written. */
  clear(): void {
    this.at = 0
  }

  /** A copy of what was written. */
  take(): Uint8Array {
    const taken = Buffer.allocUnsafe(this.at)
    this.#buffer.copy(taken, 0, this.#buffer.length - this.at)
    return taken
  }
}
