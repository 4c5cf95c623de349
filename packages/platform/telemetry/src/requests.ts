const methods = new Set(['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'CONNECT', 'OPTIONS', 'TRACE', 'PATCH', 'QUERY'])

/** A method as semantic conventions want it (`http.request.method`), of which there are few: those that nobody has defined are `_OTHER`. */
export const knownMethod = (method = 'GET'): string => (methods.has(method) ? method : '_OTHER')

/** The path of what was asked for, without the parts that are secrets, nor a query, nor an authority (RFC 9112, absolute-form), which may hold some. */
export const safePath = (url = '/'): string =>
  url
    .split('?', 1)[0]!
    .replace(/^\w+:\/\/[^/]*/, '')
    .replace(/(?<=\/reset-password\/)[^/]+/, ':token')
