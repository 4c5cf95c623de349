// Signs in as a demo user and asks every demo tenant for what it has, to show which of them answer.

/** What is shown of a tenant: a title, what is asked for, and a line for each thing in the answer. */
const sections = [
  {
    title: 'Members',
    query: 'organization { members { role user { name } } }',
    lines: ({ organization }) => organization.members.map(({ role, user }) => `${user.name}, ${role.toLowerCase()}`),
  },
  // #region with catalog
  {
    title: 'Newest products',
    query: 'products(first: 5) { nodes { sku name stock } }',
    lines: ({ products }) => products.nodes.map(({ sku, name, stock }) => `${sku} ${name} (${stock} in stock)`),
  },
  // #endregion
  // #region with orders
  {
    title: 'Newest orders',
    query: 'orders(first: 5) { nodes { status total { amount currency } } }',
    lines: ({ orders }) =>
      orders.nodes.map(({ status, total }) => `${total.amount} ${total.currency}, ${status.toLowerCase()}`),
  },
  // #endregion
]
const overview = `{ ${sections.map(({ query }) => query).join(' ')} }`

const post = async (path, body, headers = {}) => {
  const response = await fetch(path, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify(body),
  })
  return response.json()
}

const element = (name, text, ...children) => {
  const made = document.createElement(name)
  if (text) made.textContent = text
  made.append(...children)
  return made
}

async function showTenant(article) {
  const { data, errors } = await post('/graphql', { query: overview }, { 'x-tenant': article.dataset.tenant })
  const place = article.querySelector('div')
  const refused = !data?.organization
  article.classList.toggle('refused', refused)
  if (refused) {
    const { extensions, message } = errors[0]
    place.replaceChildren(element('strong', extensions.code), element('p', message))
    return
  }
  place.replaceChildren(
    ...sections.flatMap(({ title, lines }) => [
      element('p', title),
      element('ul', '', ...lines(data).map((line) => element('li', line))),
    ]),
  )
}

async function show() {
  const { data } = await post('/graphql', { query: '{ me { email memberships { role organization { slug } } } }' })
  const me = data?.me
  const places = me?.memberships
    .map(({ role, organization }) => `${role.toLowerCase()} of ${organization.slug}`)
    .join(', ')
  document.querySelector('[data-me]').textContent = me
    ? `Signed in as ${me.email}: ${places || 'a member of no organization'}.`
    : ''
  for (const button of document.querySelectorAll('[data-email]'))
    button.ariaPressed = String(button.dataset.email === me?.email)
  if (me) await Promise.all([...document.querySelectorAll('[data-tenant]')].map(showTenant))
}

for (const button of document.querySelectorAll('[data-email]')) {
  button.addEventListener('click', async () => {
    const password = document.querySelector('[data-password]').textContent
    const { message } = await post('/api/auth/sign-in/email', { email: button.dataset.email, password })
    if (message) document.querySelector('[data-me]').textContent = message
    await show()
  })
}
await show()
