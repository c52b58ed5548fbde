/** Runs the service in two processes of one pod, which share its port. */
import cluster from 'node:cluster'
import { join } from 'node:path'
import { getNodeFlags, root } from '../../test/helpers/spawn-program.ts'

cluster.setupPrimary({ exec: join(root, 'src/main.js'), execArgv: getNodeFlags('src/main.js') })
cluster.fork()
cluster.fork()
