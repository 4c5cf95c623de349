/**
 * One query compiler for all clients of a schema. Prisma makes one for each client, which takes 1 MB of WebAssembly memory that is
 * never given back; a lane is a client, so that a process with many lanes would consist of little else. A compiler only knows the
 * schema and keeps nothing of what it compiled, so whose client it serves makes no difference. Generated clients call this
 * (generate.ts).
 */
type Compiler = object & { free(): void }
type Runtime = { QueryCompiler: new (options: object) => Compiler }

/** Prisma's runtime, whose compilers of the same schema and connection are the same one. */
export function sharingCompilers<R extends Runtime>(runtime: R): R {
  const shared = new Map<string, Compiler>()
  function QueryCompiler(options: object): Compiler {
    const key = JSON.stringify(options)
    let compiler = shared.get(key)
    if (!compiler) {
      compiler = new runtime.QueryCompiler(options)
      compiler.free = () => {} // One client disconnects, the others go on.
      shared.set(key, compiler)
    }
    return compiler
  }
  return { ...runtime, QueryCompiler: QueryCompiler as unknown as Runtime['QueryCompiler'] }
}
