/** A small page without scripts of its own; `script` is the path of one. */
export function page(title: string, body: string, script?: string): string {
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escapeHtml(title)} · Offshoot</title>
<link rel="icon" href="data:,">
<style>
  :root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; --line: color-mix(in srgb, currentColor 18%, transparent); --accent: #2f7d4f }
  @media (prefers-color-scheme: dark) { :root { --accent: #62b987 } }
  body { max-width: 62rem; margin: 2.5rem auto; padding: 0 1.25rem }
  h1 { font-size: 1.7rem; margin: 0 } h2 { font-size: 1.1rem; margin: 2rem 0 .5rem }
  a { color: var(--accent) } code, pre { font-size: .88em } pre { white-space: pre-wrap; overflow-wrap: anywhere }
  table { border-collapse: collapse; width: 100% } td, th { text-align: left; padding: .3rem .8rem .3rem 0; border-bottom: 1px solid var(--line); vertical-align: top }
  button { font: inherit; padding: .35rem .8rem; margin: 0 .4rem .4rem 0; border: 1px solid var(--line); border-radius: .5rem; background: none; color: inherit; cursor: pointer }
  button:hover, button[aria-pressed=true] { border-color: var(--accent); color: var(--accent) }
  article { border: 1px solid var(--line); border-radius: .6rem; padding: .8rem 1rem; margin: .8rem 0 }
  .tenants { display: grid; grid-template-columns: repeat(auto-fit, minmax(18rem, 1fr)); gap: 1rem } .refused { opacity: .75 } .refused strong { color: #b3402e }
</style>
${body}
${script ? `<script type="module" src="${script}"></script>` : ''}
</html>
`
}

export function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (char) => `&#${char.charCodeAt(0)};`)
}
