/** The first step of every command. Kept so plain that even a Node that is too old can read it, and say so. */
const OLDEST_NODE = 20

if (Number(process.versions.node.split('.')[0]) < OLDEST_NODE) {
  console.error(
    'Node ' +
      OLDEST_NODE +
      ' or newer is needed, to install what else is needed (the pinned Node too); this is ' +
      process.version +
      '.',
  )
  process.exit(1)
}

import('./install.mjs')
  .then((installer) => installer.install())
  .catch((error) => {
    console.error(error.name === 'InstallError' ? error.message : error)
    process.exit(1)
  })
