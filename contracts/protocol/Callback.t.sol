// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {HostileConsumer, Mood} from "../../test/solidity/protocol/HostileConsumer.sol";
import {ProtocolFixture} from "../../test/solidity/protocol/ProtocolFixture.sol";
import {vm} from "../../test/solidity/protocol/Vm.sol";
import {Phase} from "./ClaimLife.sol";
import {IClaimBook} from "./IClaimBook.sol";
import {IInferenceMarket, RequestParams, RequestStatus} from "./IInferenceMarket.sol";
import {InferenceConsumer} from "./InferenceConsumer.sol";

/// @notice Consumers' callbacks: whatever they do, the claim is final; whatever the caller does, they get their gas.
contract CallbackTest is ProtocolFixture {
    uint32 private constant CALLBACK_GAS = 500_000;

    function _requestFor(address consumer) private returns (bytes32 requestId, bytes32 claimId) {
        RequestParams memory params = _requestParams();
        params.callback = consumer;
        params.callbackGas = CALLBACK_GAS;
        vm.prank(requester);
        requestId = market.request(params);
        claimId = _post(_claim(requestId, 0));
        _pass(CHALLENGE_WINDOW);
    }

    function _finaliseFor(
        Mood mood
    ) private returns (HostileConsumer consumer, bytes32 requestId, uint256 spent) {
        consumer = new HostileConsumer(address(market), mood);
        bytes32 claimId;
        (requestId, claimId) = _requestFor(address(consumer));
        spent = gasleft();
        market.finalise(claimId);
        spent -= gasleft();
        _checkPhase(claimId, Phase.Finalised);
        _checkMoney(5 * COLLATERAL, FEE, 0, 0, 0, ROYALTY, 0);
    }

    function test_finalise_calmConsumer_isTold() public {
        (HostileConsumer consumer, bytes32 requestId, ) = _finaliseFor(Mood.Calm);
        require(consumer.toldOf() == requestId, "request");
        require(consumer.toldRoot() == _outputRoot(), "output root");
        require(consumer.read(requestId, _outputs(), 0) == 0x44332211, "y[0]");
        require(consumer.read(requestId, _outputs(), 2) == 0x04030201, "z[0]");
    }

    function test_read_wrongBytes_reverts() public {
        (HostileConsumer consumer, bytes32 requestId, ) = _finaliseFor(Mood.Calm);
        bytes memory outputs = _outputs();
        outputs[0] = 0;
        _reverts(
            address(consumer),
            anyone,
            abi.encodeCall(HostileConsumer.read, (requestId, outputs, 0)),
            abi.encodeWithSelector(InferenceConsumer.NotTheOutputs.selector, requestId)
        );
        _reverts(
            address(consumer),
            anyone,
            abi.encodeCall(HostileConsumer.read, (requestId, _outputs(), 11)),
            abi.encodeWithSelector(InferenceConsumer.ElementOutOfRange.selector, 11, 11)
        );
        bytes32 open = _request();
        _reverts(
            address(consumer),
            anyone,
            abi.encodeCall(HostileConsumer.read, (open, _outputs(), 0)),
            abi.encodeWithSelector(InferenceConsumer.NotFulfilled.selector, open)
        );
    }

    function test_onInference_notMarket_reverts() public {
        HostileConsumer consumer = new HostileConsumer(address(market), Mood.Calm);
        _reverts(
            address(consumer),
            anyone,
            abi.encodeCall(consumer.onInference, ("request", "claim", "root")),
            abi.encodeWithSelector(InferenceConsumer.NotMarket.selector, anyone)
        );
    }

    function test_finalise_revertingConsumer_isFinal() public {
        (HostileConsumer consumer, , ) = _finaliseFor(Mood.Revert);
        require(consumer.toldOf() == 0, "told");
    }

    function test_finalise_returnBomb_costsItsOwnGasOnly() public {
        (, , uint256 spent) = _finaliseFor(Mood.Bomb);
        // Expanding memory to 400 kB costs the consumer 342,000; copying it would cost the caller as much again.
        require(spent > 342_000, "no bomb");
        require(spent < 342_000 + 250_000, "the bomb went off");
    }

    function test_finalise_gasBurner_costsItsOwnGasOnly() public {
        (, , uint256 spent) = _finaliseFor(Mood.BurnGas);
        require(spent > CALLBACK_GAS, "burned");
        require(spent < CALLBACK_GAS + 250_000, "burned more than its own");
    }

    function test_finalise_reenteringConsumer_getsWrongPhase() public {
        (HostileConsumer consumer, bytes32 requestId, ) = _finaliseFor(Mood.Reenter);
        bytes32 claimId = market.requestOf(requestId).claimId;
        require(
            keccak256(consumer.reentered()) ==
                keccak256(abi.encodeWithSelector(IClaimBook.WrongPhase.selector, claimId, Phase.Finalised)),
            "reentered"
        );
    }

    /// @notice Reentrancy that is welcome: the next request out of the last answer.
    function test_finalise_consumerAsksAgain_succeeds() public {
        HostileConsumer consumer = new HostileConsumer(address(market), Mood.AskAgain);
        vm.prank(modelOwner);
        registry.setRoyalty(modelId, 0);
        RequestParams memory next = _requestParams();
        next.fee = 0;
        next.inputs = "";
        next.inputsUri = "ipfs://next";
        consumer.prepare(next);
        (, bytes32 claimId) = _requestFor(address(consumer));
        market.finalise(claimId);
        bytes32 asked = consumer.askedAgain();
        require(market.requestOf(asked).status == RequestStatus.Open, "not asked");
        require(market.requestOf(asked).requester == address(consumer), "asked by another");
    }

    function test_finalise_noCodeAtCallback_isFinal() public {
        (, bytes32 claimId) = _requestFor(address(0xC0DE));
        market.finalise(claimId);
        _checkPhase(claimId, Phase.Finalised);
    }

    /// @notice With whatever gas anyone calls: either nothing happens, or the consumer had what it asked for.
    function testFuzz_finalise_anyGas_neverUnderGassesTheConsumer(uint256 gas_) public {
        gas_ = 30_000 + (gas_ % 900_000);
        HostileConsumer consumer = new HostileConsumer(address(market), Mood.Calm);
        (, bytes32 claimId) = _requestFor(address(consumer));
        vm.prank(anyone);
        (bool ok, ) = address(market).call{gas: gas_}(abi.encodeCall(IClaimBook.finalise, (claimId)));
        _checkPhase(claimId, ok ? Phase.Finalised : Phase.Finalisable);
        // A few hundred gas go on the way from the call to the measurement.
        if (ok) require(consumer.given() > CALLBACK_GAS - 1_000, "under-gassed");
        else require(consumer.toldOf() == 0, "told without being final");
    }

    function test_finalise_littleGas_reverts() public {
        HostileConsumer consumer = new HostileConsumer(address(market), Mood.Calm);
        (, bytes32 claimId) = _requestFor(address(consumer));
        (bool ok, bytes memory error_) = address(market).call{gas: CALLBACK_GAS + 20_000}(
            abi.encodeCall(IClaimBook.finalise, (claimId))
        );
        require(!ok && bytes4(error_) == IInferenceMarket.InsufficientCallbackGas.selector, "error");
        _checkPhase(claimId, Phase.Finalisable);
    }
}
