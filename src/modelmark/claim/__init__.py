"""The dispute between owner, suspect and judge: signed documents that a third party checks without trusting either side.

Loads without torch. From the bottom up:

======================  ================================================================================================
``shapes, records``     what a field may hold: checked when a record is made, read, and described as JSON schema
``signing, identity``   Ed25519, ML-DSA-65 and P-256 signatures; ``Identity``, a party's private keys and their file
``envelope``            ``sign(document, identity)``, ``parse(data, cls)``, ``load(path, cls)``, ``save``: a ``Signed[cls]``
                        with ``.document``, ``.digest`` (SHA-256 of ``.payload``, its name in all others), ``.data``
``statement``           ``Statement.of(key.statement)``: a key's public statement as a claim carries it
``claim``               ``Claim(Entry(statement, lots), DrawRule, Policy)``
``manifest, release``   a release signed by OpenSSF Model Signing: ``check(folder)``, ``belonging``, ``verify``
``bom``                 a model in a CycloneDX bill of materials that points to a claim: ``new``, ``extended``
``dispute``             ``Deposit``, ``Challenge`` with the ``Frozen`` suspect, ``Opening``
``verdict``             ``Verdict`` (``Check``, ``Weighed``, ``Graded``, ``Charged``, ``Spent``, ``SENTENCES``), ``Revocation``
``recipients``          what a claim says of copies, where a name stands on its list, what a message that may be chosen costs
``merkle``              ``prove``, ``root_of``: many leaves of one tree at once
``lots``                ``split``, ``drawn(challenge, entry)``, ``carriers``, ``charges(claim)``, ``require_reach(claim)``
``opening``             ``make(...)``, ``check(claim, challenge, opening) -> Opened``, ``unpack``: the carriers' bytes
``authority, token``    ``Authority.load(path)``: one pinned root; what a token holds and its authority signed
``answers``             ``read(response, asked) -> Answer``, or what was handed over instead
``timestamp``           RFC 3161: ``request``, ``receive``, ``verify(token, message, authority) -> Stamp``, which looks at the
                        signer's certificate with ``signing_certificate``
``deposit``             ``request``, ``receive``, ``make``, ``check(claim, deposit, trust) -> Dated``, ``draw(...) -> Draw``
``pairs``               Adi's commitments, image and label apart; ``cut_and_choose``: half of 4n pairs opened, once
``reading``             from an opening to what a suspect is asked (``modelmark.carriers``), and from its answers to symbols
``rules``               what each rule makes of answers, symbols or grades, and which reading is worth most
``transcript``          the record of queries and answers; ``judging.asking.record`` keeps one and goes on with it
``challenging``         ``challenge(..., Terms(...))``: suspect, lot, test and bar, fixed before anything is shown
``order``               dates and revocations
``nonce``               a challenge's nonce from a timestamp or a beacon's round, in place of the judge's own word
``ledger``              ``Known``: what was tried before, by challenges and verdicts, on which carriers
``desk``                ``Papers``: what lies before the judge, and the checks of papers alone
``checks, weighing``    the judge's single checks; the test, less the charges
``software``            version and digest of the code that a verdict names
``judging``             ``judge(Papers(...), suspect, identity, trust, now=...) -> Judgement``: verdict and record
``rival``               ``rival(verdicts) -> Precedence``: two claims on each other's models
``telling``             ``tell``: a verdict in plain words; ``explaining`` writes lines, ``pages`` a page (HTML)
``schemas``             JSON schemas; ``DOCUMENTS``, all document types by kind
======================  ================================================================================================

The usual way::

    identity = Identity.generate()
    claim = envelope.sign(Claim(identity.signers, "Owner", issued, nonce, (Entry(Statement.of(key.statement), (64, 64)),),
                                DrawRule("timestamp", (authority.fingerprint,)), Policy()), identity)
    asked = deposit.request(claim)                                # goes to the authority, whose answer comes back
    token = deposit.receive(claim, answer, asked, authority)
    paper = deposit.make(claim, [token], identity, Trust([authority]), issued=issued)
    mark = key.mark(deposit.draw(claim, paper, Trust([authority])))   # only now is there a message

and in a dispute::

    asked = challenge(claim, paper, Frozen("weights", suspect.digest), judge_identity, trust, Terms(now, later), look=Look(file))
    opened, beside = opening.make(claim, asked, identity, key.secret, leaves, issued=now, concealed={"arch": key.arch})
    judged = judge(Papers(claim, paper, asked, opened, beside), suspect, judge_identity, trust, now=now, host=Handed(host))
    judged.verdict.document.decision

where ``suspect`` is ``modelmark.suspects.state.State(file)`` or ``Recorded(transcript)`` of ``judging``. ``State``, ``Look`` of
``suspects.looking`` and ``Handed`` of ``align.handed`` are all that needs torch.

A check returns what it found or raises: ``MalformedError`` for what is damaged or false, ``MismatchError`` for papers that do
not belong together, ``UsageError`` for what this installation lacks (a package, a pinned certificate). The specification is
``docs/spec/claim.md``.
"""
