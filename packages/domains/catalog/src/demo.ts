/** A product of the demo, as plain data. Its id is `demoId('product', key, createdAt)`. */
export interface DemoProduct {
  key: string
  sku: string
  name: string
  description: string
  price: { minor: number; currency: string }
  stock: number
  createdAt: Date
}

const kinds = [
  'Classic',
  'Compact',
  'Deluxe',
  'Everyday',
  'Foldable',
  'Heavy-duty',
  'Premium',
  'Quiet',
  'Rugged',
  'Slim',
]

const ranges: Record<string, { currency: string; things: string[] }> = {
  acme: {
    currency: 'EUR',
    things:
      'Anvil,Axe,Bench,Chisel,Clamp,Crate,Drill,File,Hammer,Ladder,Level,Mallet,Pliers,Pulley,Ratchet,Saw,Screwdriver,Shovel,Vice,Wrench'.split(
        ',',
      ),
  },
  globex: {
    currency: 'USD',
    things:
      'Basket,Blender,Bowl,Carafe,Colander,Crêpe Pan,Grater,Kettle,Ladle,Mortar,Mug,Oven Glove,Peeler,Plate,Scale,Sieve,Skillet,Spoon,Teapot,Whisk'.split(
        ',',
      ),
  },
}

const first = Date.UTC(2026, 0, 5, 8)
const hour = 3_600_000

/**
 * The 200 products of a demo tenant: the same each time, so that the demo data of other domains can refer to them. The tenants have the same
 * SKUs for different products.
 */
export function demoProducts(tenant: string): DemoProduct[] {
  const range = ranges[tenant]
  if (!range) throw new Error(`There is no demo tenant '${tenant}'.`)
  return Array.from({ length: 200 }, (_, i) => {
    const sku = `SKU-${String(i + 1).padStart(4, '0')}`
    const name = `${kinds[Math.floor(i / 20)]} ${range.things[(i * 7) % range.things.length]}`
    return {
      key: `${tenant}:${sku}`,
      sku,
      name,
      description: `${name}, from the demo range of ${tenant}.`,
      price: { minor: 495 + ((i * 7_919) % 25_000), currency: range.currency },
      stock: (i * 31) % 120,
      createdAt: new Date(first + i * hour),
    }
  })
}
