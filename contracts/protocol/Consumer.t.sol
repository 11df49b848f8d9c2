// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {BatchFixture} from "../../test/solidity/protocol/BatchFixture.sol";
import {vm} from "../../test/solidity/protocol/Vm.sol";
import {DigitPrize} from "../examples/DigitPrize.sol";
import {Verdict} from "../kernels/IKernel.sol";
import {BatchEntry, BatchHeader} from "./BatchData.sol";
import {Phase} from "./ClaimLife.sol";
import {IBatchMarket} from "./IBatchMarket.sol";
import {IClaimBook} from "./IClaimBook.sol";
import {InferenceConsumer} from "./InferenceConsumer.sol";

/// @notice Consumers that act early, with the compensation behind them, and that pull what is final.
/// @dev The fixture's outputs are 11 floats; the bits of number 1 are the greatest.
contract ConsumerTest is BatchFixture {
    uint256 private constant DIGIT = 1;
    DigitPrize private game;

    function setUp() public override {
        super.setUp();
        vm.prank(modelOwner);
        registry.setRoyalty(modelId, 0);
        game = _game(COMPENSATION);
    }

    function _game(uint256 prize) private returns (DigitPrize made) {
        made = new DigitPrize(address(market), modelId, programRoot, DIGIT, prize);
        token.mint(address(made), prize);
        vm.prank(requester);
        token.approve(address(made), type(uint256).max);
    }

    function _submitted() private returns (bytes32 requestId, bytes32 claimId) {
        vm.prank(requester);
        requestId = game.submit(INPUTS, _inputRoot(), FEE);
        claimId = _post(_claim(requestId, _honestTrace()));
    }

    function _early(bytes32 requestId, bytes memory expected) private {
        _reverts(
            address(game),
            anyone,
            abi.encodeCall(DigitPrize.drawEarly, (requestId, _outputs())),
            expected
        );
    }

    function test_drawEarly_undisputed_paysAtOnce() public {
        (bytes32 requestId, bytes32 claimId) = _submitted();
        game.drawEarly(requestId, _outputs());
        require(token.balanceOf(requester) == FUNDS - FEE + COMPENSATION, "prize");
        _checkPhase(claimId, Phase.Provable);
        _early(requestId, abi.encodeWithSelector(DigitPrize.AlreadyPaid.selector, _inputRoot()));
    }

    /// @notice The stated stake at risk: what acting on a wrong claim cost comes back by its slash.
    function test_drawEarly_claimSlashedLater_isMadeUpFor() public {
        (bytes32 requestId, bytes32 claimId) = _submitted();
        game.drawEarly(requestId, _outputs());
        require(token.balanceOf(address(game)) == 0, "paid");
        _proveElement(claimId, prover, Verdict.Fraudulent);
        stakes.claimPayout(address(game));
        require(token.balanceOf(address(game)) == COMPENSATION + FEE, "compensation and refund");
    }

    function test_drawEarly_moreThanTheCompensation_reverts() public {
        game = _game(COMPENSATION + 1);
        (bytes32 requestId, ) = _submitted();
        _early(
            requestId,
            abi.encodeWithSelector(InferenceConsumer.Uncovered.selector, COMPENSATION + 1, COMPENSATION)
        );
        // What is final needs no cover.
        _pass(CHALLENGE_WINDOW + PROOF_WINDOW);
        market.finalise(market.requestOf(requestId).claimId);
        game.drawEarly(requestId, _outputs());
    }

    function test_drawEarly_disputed_reverts() public {
        (bytes32 requestId, bytes32 claimId) = _submitted();
        _challenge(claimId, challenger);
        _early(
            requestId,
            abi.encodeWithSelector(InferenceConsumer.NotUndisputed.selector, requestId, Phase.Provable)
        );
        (requestId, claimId) = _submitted();
        _proveElement(claimId, prover, Verdict.Imprecise);
        _early(
            requestId,
            abi.encodeWithSelector(InferenceConsumer.NotUndisputed.selector, requestId, Phase.Provable)
        );
        (requestId, claimId) = _submitted();
        _proveElement(claimId, prover, Verdict.Fraudulent);
        _early(
            requestId,
            abi.encodeWithSelector(InferenceConsumer.NotUndisputed.selector, requestId, Phase.Slashed)
        );
    }

    function test_drawEarly_unclaimedOrUnknown_reverts() public {
        vm.prank(requester);
        bytes32 requestId = game.submit(INPUTS, _inputRoot(), FEE);
        _early(
            requestId,
            abi.encodeWithSelector(InferenceConsumer.NotUndisputed.selector, requestId, Phase.Unknown)
        );
        bytes32 foreign = _request();
        _early(foreign, abi.encodeWithSelector(DigitPrize.UnknownSubmission.selector, foreign));
    }

    function _final(IClaimBook book, bytes32 claimId, bytes32 inputRoot, bytes memory expected) private {
        _reverts(
            address(game),
            anyone,
            abi.encodeCall(DigitPrize.drawFinal, (book, claimId, inputRoot, _outputs())),
            expected
        );
    }

    function test_drawFinal_anybodysClaim_paysTheCaller() public {
        bytes32 claimId = _lazy();
        _final(
            market,
            claimId,
            _inputRoot(),
            abi.encodeWithSelector(InferenceConsumer.NotFinal.selector, claimId, Phase.Open)
        );
        _pass(CHALLENGE_WINDOW);
        market.finalise(claimId);
        vm.prank(anyone);
        game.drawFinal(market, claimId, _inputRoot(), _outputs());
        require(token.balanceOf(anyone) == COMPENSATION, "prize");
    }

    function test_drawFinal_otherSubjectOrOutputsOrBook_reverts() public {
        bytes32 claimId = _lazy();
        _pass(CHALLENGE_WINDOW);
        market.finalise(claimId);
        _final(
            market,
            claimId,
            "another input",
            abi.encodeWithSelector(
                InferenceConsumer.OtherSubject.selector,
                claimId,
                programRoot,
                _inputRoot()
            )
        );
        bytes memory outputs = _outputs();
        outputs[0] = 0;
        _reverts(
            address(game),
            anyone,
            abi.encodeCall(DigitPrize.drawFinal, (market, claimId, _inputRoot(), outputs)),
            abi.encodeWithSelector(InferenceConsumer.NotTheOutputs.selector, claimId)
        );
        // A contract that says whatever its caller wants is no market of this deployment.
        _final(
            IClaimBook(address(this)),
            claimId,
            _inputRoot(),
            abi.encodeWithSelector(InferenceConsumer.ForeignBook.selector, address(this))
        );
    }

    function _drawing(
        address book,
        BatchHeader memory header,
        BatchEntry[] memory entries,
        uint256 index,
        bytes memory outputs
    ) private pure returns (bytes memory) {
        return
            abi.encodeCall(
                DigitPrize.drawFromBatch,
                (IBatchMarket(book), header, index, entries[index], _path(entries, index), outputs)
            );
    }

    function test_drawFromBatch_finalEntry_paysTheCaller() public {
        BatchEntry[] memory entries = _entries(3);
        BatchHeader memory header = _postBatch(entries);
        bytes memory drawing = _drawing(address(batches), header, entries, 1, _outputs());
        bytes32 claimId = _claimIdOf(header, entries[1]);
        bytes memory notFinal = abi.encodeWithSelector(
            IBatchMarket.NotFinal.selector,
            batches.batchIdOf(header),
            claimId
        );
        _reverts(address(game), anyone, drawing, notFinal);
        _pass(CHALLENGE_WINDOW);
        _finaliseBatch(header);
        vm.prank(anyone);
        (bool ok, ) = address(game).call(drawing);
        require(ok && token.balanceOf(anyone) == COMPENSATION, "prize");
        bytes memory paid = abi.encodeWithSelector(DigitPrize.AlreadyPaid.selector, _inputRoot());
        _reverts(address(game), anyone, _drawing(address(batches), header, entries, 2, _outputs()), paid);
    }

    function test_drawFromBatch_slashedEntryOrOtherOutputsOrBook_reverts() public {
        BatchEntry[] memory entries = _entries(3);
        BatchHeader memory header = _postBatch(entries);
        bytes32 claimId = _open(header, entries, 1);
        vm.prank(challenger);
        batchReferee.challenge(claimId);
        _pass(CHALLENGE_WINDOW + REVEAL_WINDOW);
        batchReferee.settleUnrevealed(claimId);
        _finaliseBatch(header);
        _reverts(
            address(game),
            anyone,
            _drawing(address(batches), header, entries, 1, _outputs()),
            abi.encodeWithSelector(IBatchMarket.NotFinal.selector, batches.batchIdOf(header), claimId)
        );
        bytes memory outputs = _outputs();
        outputs[0] = 0;
        _reverts(
            address(game),
            anyone,
            _drawing(address(batches), header, entries, 0, outputs),
            abi.encodeWithSelector(InferenceConsumer.NotTheOutputs.selector, _claimIdOf(header, entries[0]))
        );
        _reverts(
            address(game),
            anyone,
            _drawing(address(this), header, entries, 0, _outputs()),
            abi.encodeWithSelector(InferenceConsumer.ForeignBook.selector, address(this))
        );
        DigitPrize other = new DigitPrize(address(market), modelId, "another program", DIGIT, 1);
        _reverts(
            address(other),
            anyone,
            _drawing(address(batches), header, entries, 0, _outputs()),
            abi.encodeWithSelector(
                InferenceConsumer.OtherSubject.selector,
                _claimIdOf(header, entries[0]),
                programRoot,
                _inputRoot()
            )
        );
    }
}
