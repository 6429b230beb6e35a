#!/usr/bin/env python3
"""The laboratory itself: each agent CLI, without the mesh, answers from the model server."""

from lib import check, run, same, say, shell


def test_claude_answers_a_prompt(lab):
    lab.prepare_claude()
    lab.make_project()
    lab.model.on("how many is (.*)", say("It is $1 indeed."))
    out = lab.exec("claude", "-p", "how many is two", cwd=lab.project).stdout
    same(out.strip(), "It is two indeed.")


def test_claude_runs_in_a_terminal(lab):
    lab.prepare_claude(allow=())
    lab.make_project()
    lab.model.on("write (.*)", shell("echo $1 >file; cat file"), say("It says $result."))
    claude = lab.claude(lab.project)
    claude.type("write hello")
    claude.answer("Do you want to proceed", "Enter")
    got = lab.model.wait("hello", role="result")
    same(got["folder"], lab.project)
    claude.wait("It says hello")


def test_codex_answers_a_prompt(lab):
    lab.prepare_codex()
    lab.make_project()
    lab.model.on("how many is (.*)", say("It is $1 indeed."))
    out = lab.exec("codex", "exec", "how many is two", cwd=lab.project).stdout
    same(out.strip(), "It is two indeed.")


def codex_in_a_terminal(lab, *args):
    lab.make_project()
    lab.model.on("write (.*)", shell("echo $1 >file; cat file"), say("It says hello."))
    codex = lab.codex(lab.project, *args)
    codex.type("write hello")
    got = lab.model.wait("hello", role="result")
    same(got["folder"], lab.project)
    check(got["session"], "the session is named")
    codex.wait("It says hello")


def test_codex_runs_in_a_terminal(lab):
    lab.prepare_codex()
    codex_in_a_terminal(lab)


def test_codex_runs_in_a_terminal_without_its_daemon(lab):
    lab.prepare_codex()
    codex_in_a_terminal(lab, "--no-daemon")


run()
