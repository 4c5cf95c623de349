// Signs in as a demo user and asks every demo tenant for its products and orders, to show which of them answer.
const overview = `{
  products(first: 5) { nodes { sku name stock } pageInfo { hasNextPage } }
  orders(first: 5) { nodes { status total { amount currency } createdAt } }
}`

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
  const refused = !data?.products
  article.classList.toggle('refused', refused)
  if (refused) {
    const { extensions, message } = errors[0]
    place.replaceChildren(element('strong', extensions.code), element('p', message))
    return
  }
  place.replaceChildren(
    element('p', 'Newest products'),
    element(
      'ul',
      '',
      ...data.products.nodes.map(({ sku, name, stock }) => element('li', `${sku} ${name} (${stock} in stock)`)),
    ),
    element('p', 'Newest orders'),
    element(
      'ul',
      '',
      ...data.orders.nodes.map(({ status, total }) =>
        element('li', `${total.amount} ${total.currency}, ${status.toLowerCase()}`),
      ),
    ),
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
