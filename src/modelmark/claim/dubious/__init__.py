"""Proofs whose security nobody outside has reviewed. Nothing else in modelmark depends on this package.

``papers`` proves in zero knowledge that a suspect with public weights carries an ``uchida`` or ``spread`` mark: any number of
suspects, before everybody, without a carrier being shown. Needs rbcl (``pip install 'modelmark[zk]'``); loads without it, and
without torch.

=============  =========================================================================================================
``papers``     ``Case(dated, challenge, commitment, weights)``, ``prove(case, witness)``, ``weigh(case, proof, received=...)``
``pedersen``   ``commit(secret, carriers, root, layer)``, ``witness(...)``: before the claim; its nonce is the digest
``encoding``   ``encode_commitment``, ``parse_commitment``, ``digest``: files
``proof``      ``Public``, ``prove``, ``verify``: the protocol without the papers
``scattered``  the same for ``spread``: ``ScatteredCase``, and its ``witness``, ``commit`` and ``signs``
``ranges``     proofs that committed numbers lie in a range
``quantise``   weights and projections as integers
``group``      ristretto255 through libsodium
=============  =========================================================================================================

The specification is ``docs/spec/zero-knowledge.md``.
"""
