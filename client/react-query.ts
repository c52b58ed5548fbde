'use client'
/** Creates users with React Query 5. The other modules of the client do not import this one: they need no React. */
import { useMutation, type UseMutationOptions, type UseMutationResult } from '@tanstack/react-query'
import { useCallback, useEffect, useRef, useState } from 'react'
import type { ApiResponse } from './call.ts'
import { isFailure, ProblemError, type ErrorsByField, type Failure } from './errors.ts'
import type { NewUser, User } from './operation.ts'
import type { UserOptions } from './options.ts'
import { Submission, type InterruptedCreate, type SubmissionOptions, type UserCreator } from './submission.ts'
import type { Progress } from './transport.ts'

/** The filled-in form, or the decision of the person to create the user of the submitted form anyway. */
export type CreateUserVariables =
  | { user: NewUser } & Pick<UserOptions, 'avatar' | 'runConfigurableValidations'>
  | { createAnyway: true }

export type UseCreateUserOptions = SubmissionOptions & Pick<
  UseMutationOptions<ApiResponse<User>, Error, CreateUserVariables>,
  'onSuccess' | 'onError' | 'onSettled'
>

/** The mutation of React Query, and the rest of what a form shows. */
export type UseCreateUserResult = UseMutationResult<ApiResponse<User>, Error, CreateUserVariables> & {
  /** The upload of the avatar. Undefined while there is none. */
  progress: Progress | undefined
  /** The `error`, for `describeFailure`. Undefined without an error, and after `abort`. */
  failure: Failure | undefined
  /** The errors of the fields and of the avatar. Empty without an error. */
  errorsByField: ErrorsByField
  /** Whether to offer `mutate({ createAnyway: true })`: the outcome is unknown, and the service found no user. */
  canCreateAnyway: boolean
  /** With a `storage`: the create of an earlier page of this tab, whose response never arrived. */
  interrupted: InterruptedCreate | undefined
  /** Aborts the call in flight. The form keeps its idempotency key, so it can be sent again. */
  abort: () => void
  /** Begins another form. Aborts the call in flight. */
  reset: () => void
}

interface Upload {
  submission: Submission
  progress: Progress
}

/**
 * Creates one user with one filled-in form, however often the form is sent (see `Submission`). It is another form after
 * `reset`, and for another company.
 */
export function useCreateUser (
  client: UserCreator, companyId: number, { storage, ...options }: UseCreateUserOptions = {}
): UseCreateUserResult {
  const submission = useSubmission(client, companyId, storage)
  const [upload, setUpload] = useState<Upload>()
  const controller = useRef<AbortController | undefined>(undefined)

  const mutation = useMutation<ApiResponse<User>, Error, CreateUserVariables>({
    ...options,
    // React Query resets the mutation when its key changes.
    mutationKey: ['procore-bff-client', 'createUser', companyId],
    mutationFn: variables => {
      setUpload(undefined)
      controller.current ??= new AbortController()
      const callOptions = {
        signal: controller.current.signal,
        onProgress: (progress: Progress) => setUpload({ submission, progress }),
      }
      if ('createAnyway' in variables) return submission.createAnyway(callOptions)
      const { user, ...form } = variables
      return submission.submit(user, { ...form, ...callOptions })
    },
    // The client retries by itself. It reports a lost connection, and does not wait until there is one again.
    retry: false,
    networkMode: 'always',
  })

  const { reset: resetMutation, error } = mutation
  const abort = useCallback(() => {
    controller.current?.abort()
    controller.current = undefined
  }, [])
  const reset = useCallback(() => {
    abort()
    submission.reset()
    resetMutation()
  }, [abort, submission, resetMutation])

  return {
    ...mutation,
    progress: mutation.isPending && upload?.submission === submission ? upload.progress : undefined,
    failure: isFailure(error) ? error : undefined,
    errorsByField: error instanceof ProblemError ? error.errorsByField : {},
    canCreateAnyway: submission.canCreateAnyway,
    interrupted: submission.interrupted,
    abort,
    reset,
  }
}

/** Returns the submission of the form. Another company needs another one. */
function useSubmission (client: UserCreator, companyId: number, storage: SubmissionOptions['storage']): Submission {
  // The client of a later render may have the access token of another session.
  const latestClient = useRef(client)
  useEffect(() => { latestClient.current = client })
  const createForm = () => {
    const createUser: UserCreator['createUser'] = (...args) => latestClient.current.createUser(...args)
    return { companyId, submission: new Submission({ createUser }, companyId, { storage }) }
  }
  const [form, setForm] = useState(createForm)
  if (form.companyId !== companyId) setForm(createForm())
  return form.submission
}
